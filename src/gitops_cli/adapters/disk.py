"""The disk under the journal: the only module that writes journal bytes.

The journal gets one of these handed in, so the crash sweep can hand in a simulated one. Nothing here
retries: after a failed `fsync` Linux marks the pages clean, and a second `fsync` that succeeds says
nothing about the bytes of the first. Every method raises `OSError` and leaves the judgement to the journal.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitops_cli.adapters.files import fsync_dir

if TYPE_CHECKING:
    from pathlib import Path

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class Disk:
    """Plain files, written and synced one call at a time."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder that only we may enter, and its durable name; an existing one is fine."""
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in reversed(missing):
            fsync_dir(path.parent)

    def names(self, folder: Path) -> list[str]:
        """Give the names in a folder, unordered; a missing folder holds none."""
        try:
            return os.listdir(folder)  # noqa: PTH208 - Path.iterdir makes an object of every name
        except FileNotFoundError:
            return []

    def read(self, path: Path) -> bytes:
        """Give all bytes of a file."""
        return path.read_bytes()

    def create(self, path: Path) -> None:
        """Make an empty file that was not there."""
        os.close(os.open(path, _APPEND | os.O_CREAT | os.O_EXCL, 0o600))

    def append(self, path: Path, data: bytes) -> None:
        """Write bytes at the end of a file; they are not durable yet."""
        descriptor = os.open(path, _APPEND)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)

    def sync(self, path: Path) -> None:
        """Make the bytes of a file durable."""
        descriptor = os.open(path, _APPEND)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file to `size` bytes; not durable yet."""
        os.truncate(path, size)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name; not durable yet."""
        old.rename(new)

    def remove(self, path: Path) -> None:
        """Remove a file; not durable yet. A missing one is fine."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        fsync_dir(folder)
