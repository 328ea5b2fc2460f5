"""A door on this machine to a Service of a cluster, through the API server: for a person's browser."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.adapters.kubernetes.wire import Wire

TIMEOUT = 60.0
"""Seconds that the app may take for an answer."""
_MOST = 64 << 20
"""Bytes of one request."""
_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "authorization"}
)
"""Headers that end at each hop; and the credential of the cluster is ours to send."""


@contextmanager
def door(wire: Wire, namespace: str, service: str, port: int | str) -> Iterator[str]:
    """Give the URL of a Service while the block runs. Only this machine can reach it.

    Needs the right `services/proxy`, with a verb for each method: get, create, patch, delete.
    """
    top = f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"

    class Handler(_Handler):
        pass

    Handler.wire, Handler.top = wire, top
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="door", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wire: Wire
    top: str

    def do(self) -> None:
        """Pass one request on. The API server writes its own path into the links of a page: it is cut."""
        size = self.headers.get("Content-Length") or "0"
        if not size.isdecimal() or int(size) > _MOST:
            self.send_error(413)
            return
        body = self.rfile.read(int(size)) if size != "0" else None
        path = self.path.removeprefix(self.top)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        headers["Accept-Encoding"] = "identity"  # so that links in a page can be read
        try:
            answer = self.wire.relay(self.command, self.top + (path or "/"), headers, body, timeout=TIMEOUT)
        except Unavailable as error:
            self._answer(502, error.cause.encode(), {"Content-Type": "text/plain; charset=utf-8"})
            return
        kept = {
            name: value.replace(self.top, "")
            for name, value in answer.headers.items()
            if name.lower() not in _HOP and name.lower() != "content-length"
        }
        found = answer.data
        if "html" in (answer.headers.get("Content-Type") or ""):
            found = found.replace(self.top.encode(), b"")
        self._answer(answer.status, found, kept)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do  # noqa: N815 - the library's names

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""
