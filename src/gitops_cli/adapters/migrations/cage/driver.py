"""The database driver: psycopg2 or psycopg, whichever the interpreter has; COPY differs between them."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def find() -> tuple[str, Callable[..., Any]]:
    """Pick the driver: the application's own if it has one."""
    for name in ("psycopg2", "psycopg"):
        with contextlib.suppress(ImportError):
            return name, importlib.import_module(name).connect
    raise ImportError("neither psycopg nor psycopg2 is installed")


def copy_out(raw: Any, sql: str) -> Iterator[bytes]:
    """Run COPY ... TO STDOUT and give its pieces."""
    with raw.cursor() as cursor:
        if hasattr(cursor, "copy"):
            with cursor.copy(sql) as copy:
                for piece in copy:
                    yield bytes(piece)
            return
        pieces: list[bytes] = []
        cursor.copy_expert(sql, _File(pieces.append, lambda: b""))
        yield from pieces


def copy_in(raw: Any, sql: str, pieces: Iterator[bytes]) -> None:
    """Run COPY ... FROM STDIN with these pieces."""
    with raw.cursor() as cursor:
        if hasattr(cursor, "copy"):
            with cursor.copy(sql) as copy:
                for piece in pieces:
                    copy.write(piece)
            return
        cursor.copy_expert(sql, _File(lambda _piece: None, lambda: next(pieces, b"")))


def raw_of(connection: Any) -> Any:
    """Give the driver's connection below one of SQLAlchemy's."""
    return getattr(getattr(connection, "connection", None), "dbapi_connection", None)


class _File:
    """What psycopg2's COPY takes for a file."""

    def __init__(self, write: Callable[[bytes], None], read: Callable[[], bytes]) -> None:
        self._write, self._read = write, read

    def write(self, data: bytes) -> int:
        """Take a piece."""
        self._write(bytes(data))
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Give a piece, of whatever size."""
        del size
        return self._read()
