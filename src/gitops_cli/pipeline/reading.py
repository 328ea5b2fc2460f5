"""Reads journal files and says in one sentence, with the file's name, which ones it refuses to read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.errors import Unavailable
from gitops_cli.pipeline.records import VERSION, scan, version
from gitops_cli.pipeline.told import fold

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.disk import Disk
    from gitops_cli.pipeline.records import Scan
    from gitops_cli.pipeline.told import Told

_NAME = re.compile(r"(\d{6,})\.journal")


def numbers(disk: Disk, folder: Path) -> list[int]:
    """Give the numbers of the releases whose files are in a folder, lowest first. Raises `Unavailable`."""
    try:
        names = disk.names(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))


def read(disk: Disk, path: Path) -> tuple[bytes, Scan]:
    """Give a file's bytes and what they hold; a bad end is no error.

    Raises `FileNotFoundError`, and `Unavailable` for a version or a record that this gitops does not know
    and for damage that no crash can do: then nothing is decided by that file.
    """
    try:
        data = disk.read(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    if (written := version(data)) > VERSION:
        raise Unavailable(
            f"the journal {path} is of version {written}, and this gitops reads {VERSION}",
            code="journal.newer",
            next_command="install the newer gitops again",
        )
    try:
        found = scan(data)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"the journal {path} holds an unknown record", code="journal.unknown") from error
    if found.damaged:
        raise Unavailable(
            f"the journal {path} is damaged at byte {found.good}, before its end, as no crash can do",
            code="journal.damaged",
            next_command="check the disk, then put the file back from a backup",
        )
    return data, found


def peek(disk: Disk, path: Path) -> Told | None:
    """Tell what a file holds without changing it; None when it has gone or nothing had begun."""
    try:
        return fold(read(disk, path)[1].entries)
    except FileNotFoundError:  # archived or pruned while we looked
        return None


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"cannot read {path}: {error.strerror or error}", code="journal.read")
