"""A database over TCP, reached through a Unix socket: a cage has no network.

The relay listens in a folder of its own, does what libpq would do for TLS (`sslmode`, `sslrootcert`, client
certificates), and copies bytes; of the login only what `login` says is changed. When either side goes, so
does the other: a killed client is noticed by the server as if it had been connected directly.
"""

from __future__ import annotations

import os
import secrets
import select
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.postgres import urls
from gitops_cli.adapters.postgres.login import Login
from gitops_cli.adapters.postgres.upstream import Upstream
from gitops_cli.adapters.text import safe
from gitops_cli.errors import GitopsError

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.home import Home

SOCKET = ".s.PGSQL.5432"
_PORT = 5432
_CHUNK = 65_536
_FULL = 1_048_576
"""Bytes that wait for a slow side before its other side is read no more."""


@dataclass
class _Pipe:
    """One direction: what was read from a side and waits for the other."""

    source: socket.socket
    sink: socket.socket
    waiting: bytearray
    login: Login | None = None
    ended: bool = False


class Relay:
    """Use as a context manager: within, `url` reaches the database by `socket_dir`."""

    def __init__(self, home: Home, url: str) -> None:
        """`url` is the database's address over TCP. Raises `Unavailable` when it cannot be read."""
        self.upstream = Upstream.of(url)
        self.socket_dir: Path = home.runtime() / f"relay-{os.getpid()}-{secrets.token_hex(4)}"
        self.url = urls.over_socket(
            self.socket_dir,
            _PORT,
            user=self.upstream.user,
            password=self.upstream.password,
            name=self.upstream.name,
        )
        self.refused = ""
        """Why the last connection to the database failed."""
        self._stop_read, self._stop_write = -1, -1
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Listen."""
        self.socket_dir.mkdir(mode=0o711)
        self.socket_dir.chmod(0o711)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = self.socket_dir / SOCKET
        listener.bind(os.fspath(path))
        path.chmod(0o666)  # a cage has another uid; the database asks for a password
        listener.listen(16)
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC)
        self._listener = listener
        self._start(self._accept, listener)
        return self

    def __exit__(self, *_exception: object) -> None:
        """Cut every connection and leave nothing."""
        os.close(self._stop_write)  # every loop sees its reading end become readable
        for thread in self._threads:
            thread.join(10.0)
        os.close(self._stop_read)
        if self._listener is not None:
            self._listener.close()
        remove_tree(self.socket_dir)

    def _start(self, what: object, argument: socket.socket) -> None:
        thread = threading.Thread(target=what, args=(argument,), name="gitops relay", daemon=True)  # type: ignore[arg-type]  # a bound method
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while self._waits([listener], [], None):
            client, _ = listener.accept()
            self._threads[:] = [thread for thread in self._threads if thread.is_alive()]
            self._start(self._serve, client)

    def _waits(
        self, reading: list[socket.socket], writing: list[socket.socket], seconds: float | None
    ) -> bool:
        """Wait for a side to move; False when the relay is to end."""
        everything: list[socket.socket | int] = [*reading, self._stop_read]
        return self._stop_read not in select.select(everything, writing, [], seconds)[0]

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                server = self.upstream.connect()
            except (OSError, GitopsError) as error:
                self.refused = error.cause if isinstance(error, GitopsError) else safe(str(error))
                _refuse(client, self.refused)
                return
            with server, suppress(OSError):
                self._copy(client, server)

    def _copy(self, client: socket.socket, server: socket.socket) -> None:
        client.setblocking(False)
        server.setblocking(False)
        login = Login() if hasattr(server, "pending") else None  # TLS
        pipes = (_Pipe(client, server, bytearray()), _Pipe(server, client, bytearray(), login))
        while not any(pipe.ended and not pipe.waiting for pipe in pipes):
            reading = [pipe.source for pipe in pipes if not pipe.ended and len(pipe.waiting) < _FULL]
            writing = [pipe.sink for pipe in pipes if pipe.waiting]
            if not self._waits(reading, writing, 0 if _buffered(server) else None):
                return
            for pipe in pipes:
                _read(pipe)
                _write(pipe)


def _read(pipe: _Pipe) -> None:
    if pipe.ended or len(pipe.waiting) >= _FULL:
        return
    try:
        data = pipe.source.recv(_CHUNK)
    except (BlockingIOError, InterruptedError):
        return
    except OSError as error:
        if _wants(error):
            return
        data = b""
    pipe.waiting += pipe.login.passes(data) if pipe.login else data
    pipe.ended = not data


def _write(pipe: _Pipe) -> None:
    if not pipe.waiting:
        return
    try:
        sent = pipe.sink.send(pipe.waiting[:_CHUNK])
    except (BlockingIOError, InterruptedError):
        return
    except OSError as error:
        if _wants(error):
            return
        raise
    del pipe.waiting[:sent]


def _wants(error: OSError) -> bool:
    """Say whether TLS only wants to read or write first."""
    return type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")


def _buffered(server: socket.socket) -> int:
    """Bytes that TLS has decrypted already: `select` does not see them."""
    pending = getattr(server, "pending", None)
    return pending() if pending else 0


def _refuse(client: socket.socket, reason: str) -> None:
    """Tell the client as a server would, so that the cause reaches the migration's error."""
    fields = b"SFATAL\0VFATAL\0C08001\0M" + reason.encode() + b"\0\0"
    with suppress(OSError):
        client.settimeout(5.0)
        client.recv(_CHUNK)
        client.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
