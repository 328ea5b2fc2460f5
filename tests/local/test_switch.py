"""The forwarder: nothing is lost while versions change."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from gitops_cli.targets.local.supervisor.forwarder import Listener, Upstream, bind
from gitops_cli.targets.memory import Memory
from tests.local.conftest import APP, READY, Shop, deployment, service

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = 0.005
SWITCHES = 20


class Client(threading.Thread):
    """Asks over a new connection every 5 ms, whatever becomes of the one before."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.over = threading.Event()
        self.failures: list[str] = []
        self.versions: list[str] = []
        self._asking: list[threading.Thread] = []

    def run(self) -> None:
        due = time.monotonic()
        while not self.over.is_set():
            one = threading.Thread(target=self._ask)
            one.start()
            self._asking.append(one)
            due = max(due + EVERY, time.monotonic())  # nothing is made up for at once
            time.sleep(max(0.0, due - time.monotonic()))
        for one in self._asking:
            one.join()

    def _ask(self) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            head, _, body = answer.partition(b"\r\n\r\n")
            self.versions.append(json.loads(body)["version"] if b" 200 " in head else head.decode())
        except (OSError, ValueError) as error:
            self.failures.append(repr(error))


def test_twenty_switches_lose_no_connection(shop: Shop) -> None:
    """The application dies on SIGTERM at once: that nothing is lost is the forwarder's doing."""
    shop.release()
    client = Client(int(shop.url().split(":")[2].strip("/")))
    client.start()
    for _ in range(SWITCHES):
        wanted, record = shop.commit(), Memory()
        shop.target.prepare(wanted, record, shop.watch)
        shop.target.apply(wanted, record, shop.watch)
        shop.target.wait(wanted, record, shop.watch)
        shop.target.retire(record)
    client.over.set()
    client.join()
    count = len(client.versions) + len(client.failures)
    assert client.failures == []
    assert len(set(client.versions)) == SWITCHES + 1
    assert count > 20 * SWITCHES  # enough of them in each


def test_a_request_that_runs_ends_on_the_old_version(shop: Shop) -> None:
    slow = APP.replace(
        'if self.path == "/die":',
        'if self.path == "/slow":\n            import time; time.sleep(3)\n        if self.path == "/die":',
    )
    shop.release({"app.py": slow})
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(shop.get("/slow")["version"]))
    asking.start()
    shop.release()
    assert shop.get()["version"] == "v2"
    asking.join()
    assert found == ["v1"]


def test_replicas_take_turns(shop: Shop) -> None:
    shop.release({"deploy/web.yaml": deployment(container=READY, spec="replicas: 3") + "---\n" + service()})
    # by their ports: each may be process 2 of a namespace of its own
    assert len({shop.get("/env")["env"]["PORT"] for _ in range(3)}) == 3
    assert len(shop.pids()) == 3


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    found = asyncio.new_event_loop()
    yield found
    found.run_until_complete(asyncio.sleep(0.1))  # what was closed comes to its end in the next turns
    found.close()


def test_a_connection_is_held_until_somebody_is_ready_and_half_closing_works(
    loop: asyncio.AbstractEventLoop,
) -> None:
    async def echo_after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read()  # to the client's end of its direction
        writer.write(data.upper())
        writer.close()

    async def story() -> bytes:
        server = await asyncio.start_server(echo_after_the_end, "127.0.0.1", 0)
        listener = Listener(bind(0, 20000, 25000))
        await listener.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"x" * 3_000_000)
        writer.write_eof()
        await asyncio.sleep(0.1)
        upstream = Upstream(server.sockets[0].getsockname()[1])
        listener.serve([upstream])
        answer = await reader.read()
        writer.close()
        await asyncio.wait_for(upstream.idle(), 5)
        listener.close()
        server.close()
        return answer

    assert loop.run_until_complete(story()) == b"X" * 3_000_000


def test_a_reset_is_passed_on_and_nobody_ready_ends_in_a_reset(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gitops_cli.targets.local.supervisor.forwarder.HOLD_SECONDS", 0.2)

    async def story() -> None:
        listener = Listener(bind(0, 20000, 25000))
        await listener.open()
        listener.serve([Upstream(1)])  # nobody listens there
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"hello")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        listener.close()

    loop.run_until_complete(story())


def test_a_taken_port_is_given_up_for_the_next_free_one() -> None:
    with bind(0, 20000, 25000) as first:
        number = first.getsockname()[1]
        with bind(number, 20000, 25000) as second:
            assert second.getsockname()[1] != number
            assert second.getsockname()[0] == "127.0.0.1"
