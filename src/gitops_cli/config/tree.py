"""What a reader of configuration sees of a tree: names, kinds, sizes and bytes. Nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Entry(msgspec.Struct, frozen=True):
    """One file of a tree. `mode` is git's (0o100644, 0o100755, 0o120000 link, 0o160000 gitlink)."""

    path: str
    mode: int
    oid: str
    size: int


class Tree(Protocol):
    """A whole tree, listed once within the limits; bytes come on demand, many in one go."""

    @property
    def label(self) -> str:
        """What to call it in a message: `abc1234`, or `the working tree`."""

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Every file by its path from the top."""

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Give the bytes of these files. Raises `LimitExceeded` for one that is too large."""


class MemoryTree:
    """A tree that is already in memory: what `init` is about to write."""

    label = "the new files"

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Keep the files, path to bytes."""
        self._files = dict(files)
        self.entries: Mapping[str, Entry] = {
            path: Entry(path, 0o100644, "", len(data)) for path, data in self._files.items()
        }

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Give the bytes of these files."""
        return {path: self._files[path] for path in paths}
