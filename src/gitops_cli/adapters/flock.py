"""One exclusive `flock` on a file, and the note beside it that says who has it.

The lock belongs to the open file, so it lives until the last process that inherited the descriptor has
ended, however that ended. It is therefore given up by closing, never by `LOCK_UN`, which would take it
from a child that still works under it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Flock:
    """A lock file; it stays when the lock is free, as removing it would let two processes lock two files."""

    def __init__(self, path: Path) -> None:
        """Nothing is made or opened yet."""
        self.path = path
        self._note = path.with_name(f"{path.name}.holder")
        self._descriptor = -1

    @property
    def fd(self) -> int:
        """The descriptor that holds the lock; -1 without one. Children inherit it only when told to."""
        return self._descriptor

    def attempt(self) -> bool:
        """Try once to take the lock. Raises `OSError` when the file cannot be made or opened."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._descriptor, descriptor = descriptor, -1
        except BlockingIOError:
            pass
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return self._descriptor >= 0

    def leave(self) -> None:
        """Give up our part of the lock; children that inherited it keep theirs."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def write_note(self, data: bytes) -> None:
        """Say who holds the lock. Whoever reads gets all of it or what stood there before."""
        temporary = self._note.with_name(f"{self._note.name}.new")
        temporary.write_bytes(data)
        temporary.replace(self._note)

    def read_note(self) -> bytes:
        """Give what the holder said; empty when nobody said anything."""
        with suppress(OSError):
            return self._note.read_bytes()
        return b""

    def clear_note(self) -> None:
        """Take the note away, before the lock is given up."""
        with suppress(OSError):
            self._note.unlink()
