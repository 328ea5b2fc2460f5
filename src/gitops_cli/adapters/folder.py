"""A folder of the developer's, seen as a tree: the working tree, before anything is committed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.config.tree import Entry
from gitops_cli.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_FILES = 10_000
LARGEST_FILE = 1 << 20
"""Bytes; the limit of a file that a release reads."""
_NOT_THE_PROJECTS = frozenset(
    {
        ".git",
        ".hg",
        ".venv",
        "venv",
        "node_modules",
        "__pycache__",
        ".tox",
        ".nox",
        ".mypy_cache",
        "site-packages",
    }
)


class FolderTree:
    """The files of a folder, listed once."""

    label = "the working tree"

    def __init__(self, top: Path, paths: Iterable[str]) -> None:
        """`paths` are relative to `top`; what is no file any more is left out."""
        self.top = top
        self.entries: Mapping[str, Entry] = {
            path: entry for path in paths if (entry := _entry(top, path)) is not None
        }

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Give the bytes of these files. Raises `LimitExceeded` for one that is too large."""
        return {path: self._read(path) for path in paths}

    def _read(self, path: str) -> bytes:
        if self.entries[path].size > LARGEST_FILE:
            raise LimitExceeded(f"larger than {LARGEST_FILE} bytes", code="limit.file", file=path)
        return (self.top / path).read_bytes()


def walk(top: Path) -> FolderTree:
    """List a folder that need not be a repository. Raises `LimitExceeded` beyond `MOST_FILES` files."""
    paths: list[str] = []
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(set(folders) - _NOT_THE_PROJECTS)
        paths += [str((Path(folder) / name).relative_to(top)) for name in sorted(files)]
        if len(paths) > MOST_FILES:
            raise LimitExceeded(f"{top} holds more than {MOST_FILES} files", code="limit.files")
    return FolderTree(top, paths)


def _entry(top: Path, path: str) -> Entry | None:
    try:
        found = (top / path).lstat()
    except OSError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return Entry(path, 0o120000, "", found.st_size)
    if not stat.S_ISREG(found.st_mode):
        return None
    return Entry(path, 0o100755 if found.st_mode & 0o100 else 0o100644, "", found.st_size)
