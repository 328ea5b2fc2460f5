"""A tree written to disk as it was committed: never tar, never checkout.

`git archive` and `git checkout` obey `.gitattributes` of the push (5 of 6 files differed, measured) and
tarfile has known holes; here every name is checked and every file made anew below an open folder.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.git.tree import check_paths

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitops_cli.adapters.git.batch import ObjectReader
    from gitops_cli.config.tree import Entry

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def export(reader: ObjectReader, entries: Mapping[str, Entry], dest: Path) -> None:
    """Write the files below `dest`, all or none: to a sibling first, then by one rename.

    An existing `dest` is whole (it came by such a rename) and stays as it is. Raises `BadInput` for links
    and submodules. Modes are 0644, 0755 for executables and folders, whatever the umask is.
    """
    check_paths(entries.values())
    temporary = dest.with_name(f".{dest.name}.{os.getpid()}.tmp")
    remove_tree(temporary)
    temporary.mkdir(parents=True)
    try:
        _Writer(temporary).write(reader, sorted(entries.values(), key=lambda entry: entry.path.split("/")))
        temporary.rename(dest)
    except BaseException as error:
        remove_tree(temporary)
        if isinstance(error, OSError) and dest.is_dir():
            return
        raise


class _Writer:
    """Writes files below one folder, through descriptors of the folders on the way."""

    def __init__(self, top: Path) -> None:
        self._names: list[str] = []
        self._folders = [os.open(top, _FOLDER)]
        os.fchmod(self._folders[0], 0o755)

    def write(self, reader: ObjectReader, entries: list[Entry]) -> None:
        """Write the files, which come sorted: each folder's together. Closes the folders."""
        descriptor = -1

        def put(piece: bytes) -> None:
            view = memoryview(piece)
            while view:
                view = view[os.write(descriptor, view) :]

        try:
            contents = reader.copy([entry.oid for entry in entries], put)
            for entry in entries:
                descriptor = self._open(entry)
                try:
                    next(contents)
                finally:
                    os.close(descriptor)
            next(contents, None)  # to its end: a reader that is left half way ends its process
        finally:
            self._leave(0)
            os.close(self._folders.pop())

    def _open(self, entry: Entry) -> int:
        *folders, name = entry.path.split("/")
        same = 0
        while same < min(len(folders), len(self._names)) and folders[same] == self._names[same]:
            same += 1
        self._leave(same)
        for folder in folders[same:]:
            os.mkdir(folder, dir_fd=self._folders[-1])
            self._folders.append(os.open(folder, _FOLDER, dir_fd=self._folders[-1]))
            self._names.append(folder)
            os.fchmod(self._folders[-1], 0o755)
        mode = 0o755 if entry.mode & 0o111 else 0o644
        descriptor = os.open(name, _NEW, mode, dir_fd=self._folders[-1])
        os.fchmod(descriptor, mode)
        return descriptor

    def _leave(self, depth: int) -> None:
        while len(self._names) > depth:
            self._names.pop()
            os.close(self._folders.pop())
