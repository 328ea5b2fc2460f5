"""A door to an API server that can be shut: connections end, and nobody answers any more."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.cluster import kubeconfig

if TYPE_CHECKING:
    from pathlib import Path


class Gate:
    """Passes bytes on between a port of its own and the server that a kubeconfig names."""

    def __init__(self, admin: Path, folder: Path) -> None:
        _, cluster, user = kubeconfig.current(admin)
        parts = urlsplit(cluster["server"])
        self._server = (parts.hostname or "", parts.port or 443)
        self._open: set[socket.socket] = set()
        self._shut = False
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.kubeconfig = folder / "kubeconfig-gate"
        there = {**cluster, "server": f"https://127.0.0.1:{self.port}"}
        kubeconfig.write(self.kubeconfig, there, user["token"])
        self._serve()

    def shut(self) -> None:
        """End every connection and take no new one."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._shut = True
            open_ = list(self._open)
        for connection in open_:
            self._end(connection)

    def open(self) -> None:
        """Take connections again, at the same port."""
        self._shut = False
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._serve()

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                inner, _ = listener.accept()
            except OSError:  # shut
                return
            outer = socket.create_connection(self._server)
            with self._lock:
                late = self._shut  # it came just before: it would be open all the while
                self._open |= {inner, outer}
            if late:
                self._end(inner)
                self._end(outer)
                return
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        self._end(source)
        self._end(sink)

    def _end(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
