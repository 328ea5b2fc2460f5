"""A proxy before a real API server, for faults that a real one does not show on demand.

It ends TLS with certificates of its own and passes the caller's bearer token on; client certificates cannot be
passed on, nor connections that change their protocol (exec, attach, port-forward).
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import urllib3

from tests.cluster import kubeconfig, pki
from tests.cluster.faults import Cut, Delay, Fault, LoseAnswer, LoseRequest, Rule, Seen, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.api import Api

_HOP = {"connection", "host", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "content-length"}
GOOD, EXPIRED, STRANGER, OTHER_NAME = "good", "expired", "stranger", "other-name"


@dataclass(frozen=True)
class Certificates:
    """The proxy's authority, and a server's certificate of each kind."""

    authority: Path
    pairs: dict[str, pki.Pair]


def certificates(folder: Path) -> Certificates:
    """Make them: a good one, one that has expired, one of an unknown authority, one for another name."""
    authority = pki.authority(folder, "proxy-authority")
    stranger = pki.authority(folder, "unknown-authority")
    names = ["IP:127.0.0.1", "DNS:localhost"]
    pairs = {
        GOOD: pki.server(folder, GOOD, authority, names),
        EXPIRED: pki.expired(folder, EXPIRED, authority, names),
        STRANGER: pki.server(folder, STRANGER, stranger, names),
        OTHER_NAME: pki.server(folder, OTHER_NAME, authority, ["DNS:elsewhere.invalid"]),
    }
    return Certificates(authority.certificate, pairs)


class Proxy:
    """A running proxy; `with Proxy(...) as proxy`."""

    def __init__(self, api: Api, made: Certificates) -> None:
        self.seen: list[Seen] = []
        self.server_url = api.server
        self.pool = urllib3.PoolManager(maxsize=64, ssl_context=api.trust, retries=False)
        self._made = made
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._certificate = GOOD
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self.pool.clear()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def kubeconfig(self, source: Path, path: Path) -> Path:
        """Write the file of the user of another one, whose server is this proxy."""
        _, _, user = kubeconfig.current(source)
        return kubeconfig.write(path, kubeconfig.entry(self.url, self._made.authority), user["token"])

    def on(self, method: str, pattern: str, fault: Fault, nth: int = 1, times: int = 1) -> None:
        """From the `nth` request on with this method (`*`: any) and a path like this, strike `times` times."""
        with self._lock:
            self._rules.append(Rule(method, pattern, fault, nth, times))

    def present(self, certificate: str) -> None:
        """Show new connections another certificate, and end the old ones."""
        self._stop()
        self._certificate = certificate
        self._listen()

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Refuse connections meanwhile, on the same port; the open ones end."""
        self._stop()
        try:
            yield
        finally:
            self._listen()

    def fault_for(self, method: str, path: str) -> Fault | None:
        """Note a request and choose its fault: the first rule that strikes; every rule counts it."""
        with self._lock:
            striking = [rule.fault for rule in self._rules if rule.strikes(method, path)]
            fault = striking[0] if striking else None
            self.seen.append(Seen(method, path, time.monotonic(), fault))
        return fault

    def _listen(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = self._made.pairs[self._certificate]
        context.load_cert_chain(pair.certificate, pair.key)
        self._server = _Server(("127.0.0.1", self._port), self, context)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.end()
            self._thread.join()  # it has left its loop, and may not have ended yet
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # their end is awaited: a socket left open would fail a later test
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], proxy: Proxy, context: ssl.SSLContext) -> None:
        super().__init__(address, _Handler)
        self.proxy, self.context = proxy, context
        self.ending = threading.Event()
        self.clients: set[ssl.SSLSocket] = set()
        self.answers: set[urllib3.BaseHTTPResponse] = set()

    def end(self) -> None:
        """Stop listening, wake every handler by ending what it waits on, and wait for all."""
        self.shutdown()
        self.socket.close()
        self.ending.set()
        for client in list(self.clients):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(client, socket.SHUT_RDWR)
        for answer in list(self.answers):
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                answer.shutdown()
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection; its handshake is its own thread's work."""
        raw, address = self.socket.accept()
        client = self.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        self.clients.add(client)
        return client, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; one without time to linger ends in a reset."""
        self.clients.discard(request)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave, and those that do not like the certificate, are what is tested."""


class _Reset(Exception):
    """A fault ends the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    connection: ssl.SSLSocket

    def setup(self) -> None:
        super().setup()
        self.connection.do_handshake()

    def handle(self) -> None:
        try:
            super().handle()
        except _Reset:
            now = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.proxy.fault_for(self.command, self.path)
        if isinstance(fault, Status):
            self._refuse(fault)
            return
        if isinstance(fault, LoseRequest):
            raise _Reset
        if isinstance(fault, Delay):
            self.server.ending.wait(fault.seconds)
        answer = self._ask(body)
        self.server.answers.add(answer)
        try:
            if isinstance(fault, LoseAnswer):
                answer.read()
                raise _Reset
            self._pass_on(answer, fault.after if isinstance(fault, Cut) else None)
        finally:
            self.server.answers.discard(answer)
            answer.close()
            answer.release_conn()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815 - the library's names

    def _ask(self, body: bytes) -> urllib3.BaseHTTPResponse:
        proxy = self.server.proxy
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        return proxy.pool.request(
            self.command, proxy.server_url + self.path, body=body or None, headers=headers,
            preload_content=False, decode_content=False, redirect=False,
        )  # fmt: skip

    def _pass_on(self, answer: urllib3.BaseHTTPResponse, cut: int | None) -> None:
        """Send the answer on as it comes; with `cut`, never its end."""
        length = answer.headers.get("Content-Length")
        empty = self.command == "HEAD" or answer.status in (204, 304)
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", length)
            cut = None if cut is None else min(cut, int(length) - 1)
        elif not empty:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if not empty:
            self._send_body(answer, chunked=length is None, cut=cut)

    def _send_body(self, answer: urllib3.BaseHTTPResponse, *, chunked: bool, cut: int | None) -> None:
        left = cut
        for chunk in answer.stream(65536, decode_content=False):
            part = chunk if left is None else chunk[:left]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked and part else part)
            if left is not None:
                left -= len(part)
                if not left:
                    break
        if cut is not None:
            raise _Reset
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, fault: Status) -> None:
        reason = fault.reason or _REASONS.get(fault.code, "Unknown")
        details = {} if fault.retry_after is None else {"retryAfterSeconds": fault.retry_after}
        status = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": fault.code,
            "message": fault.message, "reason": reason, "details": details,
        }  # fmt: skip
        body = fault.page or json.dumps(status).encode()
        self.send_response_only(fault.code)
        if fault.retry_after is not None:
            self.send_header("Retry-After", str(fault.retry_after))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


_REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
