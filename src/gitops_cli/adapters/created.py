"""Files that are made together or not at all: whatever was made is remembered, and taken away on failure."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Self

from gitops_cli.adapters.files import remove_tree
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType


class Created:
    """A `with` block: on any exception, Ctrl-C included, everything made in it is undone, newest first."""

    def __init__(self) -> None:
        """Nothing made yet."""
        self._undo: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo when the block failed; an undo that fails does not stop the others."""
        if kind is not None:
            for undo in reversed(self._undo):
                with contextlib.suppress(OSError):
                    undo()

    def undo_with(self, undo: Callable[[], object]) -> None:
        """Remember how to take back something that was just about to be made."""
        self._undo.append(undo)

    def folder(self, path: Path, mode: int = 0o755) -> Path:
        """Make a folder and the missing ones above it. Raises `Unavailable`."""
        missing = [each for each in (path, *path.parents) if not os.path.lexists(each)]
        try:
            for each in reversed(missing):
                each.mkdir(mode=mode)
                self._undo.append(each.rmdir)
        except OSError as error:
            raise _cannot(path, error) from error
        if not path.is_dir():
            raise Unavailable(
                f"{path} is a file where a folder is needed", code="init.in-the-way", file=str(path)
            )
        return path

    def grown(self, path: Path) -> None:
        """Remember a folder that somebody else is about to fill: all of it goes on failure."""
        if not path.exists():
            self._undo.append(lambda: remove_tree(path))

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """Write a file that is not there yet. Raises `Unavailable`."""
        self.folder(path.parent)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
            self._undo.append(path.unlink)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _cannot(path, error) from error

    def keep(self, path: Path) -> None:
        """Remember the bytes of a file that is about to change."""
        before = path.read_bytes()
        self._undo.append(lambda: path.write_bytes(before))


def _cannot(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"{path} cannot be written ({error.strerror})", code="init.unwritable", file=str(path))
