"""A container that listens on the manifest's own number, and whoever else listens there."""

from __future__ import annotations

import http.server
import re
import threading
from typing import TYPE_CHECKING

import pytest

from gitops_cli.errors import Unhealthy
from tests.local.conftest import APP, READY, Shop, alive, deployment, eventually, service

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENT = APP.replace(
    'http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()',
    """\
import time
while True:  # as gunicorn does
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page)
    except OSError:
        time.sleep(0.1)
    else:
        server.serve_forever()
""",
)


def files(port: int, *, name: str = "web") -> dict[str, str | bytes]:
    """Give an app that tries again to listen on a fixed port, in a Deployment of this name."""
    command = f"command: [python, -u, app.py, '{port}']\n{READY}"
    workload = deployment(name, container=command, spec="strategy: {type: Recreate}")
    return {
        "app.py": PATIENT,
        "deploy/web.yaml": workload.replace("8000", str(port)) + "---\n" + service(name),
    }


class Stranger(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": "a stranger"}')

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def stranger(free: int) -> Iterator[http.server.ThreadingHTTPServer]:
    """Another program that answers on the port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_another_programs_page_is_never_served(
    shop: Shop, free: int, stranger: http.server.ThreadingHTTPServer
) -> None:
    said = f"web found port {free} of this machine in use by another program twice before it was ready"
    with pytest.raises(Unhealthy, match=re.escape(said)):
        shop.begin(shop.commit(files(free)))
    shop.target.put_back(shop.record)
    stranger.shutdown()
    stranger.server_close()
    shop.release(files(free))
    assert shop.get()["version"] == "v2"


def test_a_deployment_with_another_name_starts_when_the_old_one_has_ended(shop: Shop, free: int) -> None:
    shop.release(files(free))
    old = shop.pids()
    record = shop.begin(shop.commit(files(free, name="shop")))
    assert not any(map(alive, old))
    assert shop.get(name="shop")["version"] == "v2"
    shop.target.put_back(record)
    assert shop.get()["version"] == "v1"
    shop.release(files(free, name="shop"))
    assert shop.get(name="shop")["version"] == "v3"
    eventually(lambda: len(shop.pids()) == 1)


def test_the_same_name_and_port_again(shop: Shop, free: int) -> None:
    shop.release(files(free))
    shop.release(files(free))
    assert shop.get()["version"] == "v2"
    assert [p.restarts for p in shop.target.live().processes] == [0]
