"""A tree of the object store as `config.tree.Tree` wants it: listed within limits before it is read."""

from __future__ import annotations

import os
import select
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from gitops_cli.adapters.git import command
from gitops_cli.adapters.git.paths import check_distinct, check_path
from gitops_cli.adapters.text import safe
from gitops_cli.config.tree import Entry
from gitops_cli.errors import BadInput, Failed, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from gitops_cli.adapters.git.batch import ObjectReader

LINK, GITLINK = 0o120000, 0o160000
MIB = 1 << 20
_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 17
"""Bytes of one line of `ls-tree`: git itself takes names of any length."""


class Limits(NamedTuple):
    """How large a tree may be; sizes in bytes, time in seconds."""

    files: int = 10_000
    total: int = 512 * MIB
    blob: int = 64 * MIB
    seconds: float = 30.0


LIMITS = Limits()


class GitTree:
    """One tree: its entries, and bytes on demand, many in one go."""

    def __init__(self, label: str, entries: Mapping[str, Entry], reader: ObjectReader, limit: int) -> None:
        """`limit`: bytes of one file."""
        self.label = label
        self.entries = entries
        self._reader = reader
        self._limit = limit

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Give the bytes of these files. Raises `BadInput` for a path that is no file of this tree."""
        wanted = list(paths)
        oids = []
        for path in wanted:
            entry = self.entries.get(path)
            if entry is None or entry.mode == GITLINK:
                raise BadInput(f"no {safe(path)} in {self.label}", code="tree.no-file", file=safe(path))
            oids.append(entry.oid)
        found = self._reader.read(oids, self._limit)
        return {path: data for path, (_, _, data) in zip(wanted, found, strict=True)}

    def export(self, entries: Mapping[str, Entry], dest: Path) -> None:
        """Write some of its files below `dest`, all or nothing; see `export.export`."""
        from gitops_cli.adapters.git.export import export  # noqa: PLC0415 - few readers of trees write them

        export(self._reader, entries, dest)


def check_paths(entries: Iterable[Entry]) -> None:
    """Refuse what a release tree may not hold: symbolic links and submodules. Raises `BadInput`."""
    for entry in entries:
        if entry.mode == LINK:
            raise BadInput(f"symbolic links are not allowed: {safe(entry.path)}", code="tree.link")
        if entry.mode == GITLINK:
            raise BadInput(f"submodules are not allowed: {safe(entry.path)}", code="tree.gitlink")


def list_tree(place: command.Place, oid: str, limits: Limits = LIMITS) -> dict[str, Entry]:
    """List a commit's or tree's files. Raises `BadInput`, `LimitExceeded`, `Failed` (`git.tree`).

    The list is read as it comes and dropped at the limit: 14 objects of 56 kB can spell 10^9 files.
    Folders are listed and counted too (`-t`): a bomb of empty ones would otherwise never print a line.
    """
    entries: dict[str, Entry] = {}
    folders = total = 0
    for line in _lines(place, oid, limits.seconds):
        meta, _, raw = line.partition(b"\t")
        mode, kind, blob, size = meta.split()
        if kind == b"tree":
            folders += 1
        else:
            path = check_path(raw)
            if path in entries:
                raise BadInput(f"this file is there twice: {safe(path)}", code="tree.collision")
            entry = Entry(path, int(mode, 8), blob.decode("ascii"), _size(path, size))
            _check_size(entry, limits.blob)
            total += entry.size
            entries[path] = entry
        _check_sums(len(entries), folders, total, limits)
    check_distinct(entries)
    return entries


def _size(path: str, size: bytes) -> int:
    """Read a size in bytes: `-` for what is no blob, `BAD` for one that is not there."""
    if not size.isdigit() and size != b"-":
        raise Failed(f"the content of {safe(path)} is missing", code="git.object")
    return 0 if size == b"-" else int(size)


def _check_size(entry: Entry, limit: int) -> None:
    if entry.size > limit:
        raise LimitExceeded(
            f"{safe(entry.path)} has {entry.size / MIB:.1f} MiB; a file may have {limit / MIB:.0f} MiB",
            code="tree.blob",
        )


def _check_sums(files: int, folders: int, total: int, limits: Limits) -> None:
    if max(files, folders) > limits.files:
        what = "files" if files > limits.files else "folders"
        raise LimitExceeded(f"more than {limits.files:,} {what}".replace(",", " "), code="tree.files")
    if total > limits.total:
        raise LimitExceeded(f"the files have more than {limits.total // MIB} MiB together", code="tree.total")


def _lines(place: command.Place, oid: str, seconds: float) -> Iterator[bytes]:
    """Give `ls-tree`'s lines one by one; whoever stops listening ends git."""
    child = command.start(place, ["ls-tree", "-r", "-t", "-z", "-l", "--full-tree", "--end-of-options", oid])
    rest = b""
    try:
        for piece in _pieces(child.stdout.fileno(), monotonic() + seconds):
            *lines, rest = (rest + piece).split(b"\0")
            yield from lines
            if len(rest) > _LONGEST_LINE:
                raise LimitExceeded(f"a path is longer than {_LONGEST_LINE} bytes", code="tree.path")
        if child.wait() != 0:
            raise Failed(f"the tree of {oid[:12]} cannot be listed", code="git.tree")
    finally:
        child.finish()


def _pieces(descriptor: int, deadline: float) -> Iterator[bytes]:

    while True:
        left = deadline - monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise LimitExceeded("the tree takes too long to list", code="tree.slow")
        piece = os.read(descriptor, _CHUNK)
        if not piece:
            return
        yield piece
