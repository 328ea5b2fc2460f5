"""A disk that can lose power: only what was synced survives for sure."""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitops_cli.adapters.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GARBAGE = random.Random(8).randbytes(1 << 16)

Names = dict[str, int]


@dataclass
class Platter:
    """Names and bytes as programs see them, beside those that are safe."""

    names: Names = field(default_factory=dict)
    safe_names: Names = field(default_factory=dict)
    pending: list[tuple[Names, frozenset[str]]] = field(default_factory=list)
    """Changes of names that are not safe: the names after each, and the folders still to be synced."""
    data: dict[int, bytes] = field(default_factory=dict)
    safe: dict[int, bytes] = field(default_factory=dict)
    made: int = 0

    def copy(self) -> Platter:
        return Platter(
            self.names.copy(),
            self.safe_names.copy(),
            self.pending.copy(),
            self.data.copy(),
            self.safe.copy(),
            self.made,
        )

    def files(self) -> dict[str, bytes]:
        return {name: self.data[inode] for name, inode in self.names.items()}

    def crashes(self, *, every: bool) -> Iterator[Platter]:
        """Every disk that a power cut could leave: `every` prefix of what was not synced, or three."""
        for names in [self.safe_names, *(after for after, _ in self.pending)]:
            for data in self._contents(sorted(set(names.values())), every=every):
                yield Platter(names.copy(), names.copy(), [], data, data.copy(), self.made)

    def _contents(self, inodes: list[int], *, every: bool) -> Iterator[dict[int, bytes]]:
        if not inodes:
            yield {}
            return
        for rest in self._contents(inodes[1:], every=every):
            for found in tails(self.safe.get(inodes[0], b""), self.data[inodes[0]], every=every):
                yield {inodes[0]: found, **rest}


def tails(safe: bytes, data: bytes, *, every: bool) -> Iterator[bytes]:
    """Every content that a file can have whose bytes `safe` were synced and then became `data`."""
    if safe == data:
        yield data
        return
    if not data.startswith(safe):  # it was cut, and the cut was not synced: the old end may show through
        same = next(
            (at for at, (old, new) in enumerate(zip(safe, data, strict=False)) if old != new), len(data)
        )
        for cut in (
            range(same, len(data) + 1) if every else sorted({same, (same + len(data)) // 2, len(data)})
        ):
            yield data[:cut] + safe[cut:]
        yield data
        return
    extra = data[len(safe) :]
    size = len(extra)
    for cut in range(size) if every else sorted({0, size // 2, size - 1}):
        yield safe + extra[:cut]
        yield safe + extra[:cut] + bytes(size - cut)
        yield safe + extra[:cut] + GARBAGE[cut:size]
    yield data


class SimulatedDisk(Disk):
    """Takes the place of `Disk`; every operation is two points at which the power can go.

    `fails_at` makes the operation of that number (from 0) raise `error`, and every later one too if
    `fails_for_ever`; a failed write leaves half of its bytes.
    """

    def __init__(self, platter: Platter, point: Callable[[], None]) -> None:
        self.platter = platter
        self.point = point
        self.operations = 0
        self.fails_at = -1
        self.fails_for_ever = False
        self.error = errno.EIO

    def _fault(self) -> bool:
        number = self.operations
        self.operations += 1
        return number == self.fails_at or (self.fails_for_ever and 0 <= self.fails_at <= number)

    def _before(self) -> None:
        self.point()
        if self._fault():
            raise OSError(self.error, "the disk says no")

    def _inode(self, path: Path) -> int:
        try:
            return self.platter.names[str(path)]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path)) from None

    def _renamed(self, *folders: Path) -> None:
        self.platter.pending.append((self.platter.names.copy(), frozenset(map(str, folders))))
        self.point()

    def make_folder(self, folder: Path) -> None:
        pass

    def names(self, folder: Path) -> list[str]:
        head = f"{folder}/"
        return [
            name[len(head) :]
            for name in self.platter.names
            if name.startswith(head) and "/" not in name[len(head) :]
        ]

    def read(self, path: Path) -> bytes:
        return self.platter.data[self._inode(path)]

    def create(self, path: Path) -> None:
        self._before()
        if str(path) in self.platter.names:
            raise FileExistsError(errno.EEXIST, "file exists", str(path))
        self.platter.made += 1
        self.platter.names[str(path)] = self.platter.made
        self.platter.data[self.platter.made] = b""
        self._renamed(path.parent)

    def append(self, path: Path, data: bytes) -> None:
        self.point()
        inode = self._inode(path)
        if self._fault():
            self.platter.data[inode] += data[: len(data) // 2]
            raise OSError(self.error, "the disk says no")
        self.platter.data[inode] += data
        self.point()

    def sync(self, path: Path) -> None:
        self._before()
        inode = self._inode(path)
        self.platter.safe[inode] = self.platter.data[inode]
        self.point()

    def truncate(self, path: Path, size: int) -> None:
        self._before()
        inode = self._inode(path)
        self.platter.data[inode] = self.platter.data[inode][:size]
        self.point()

    def rename(self, old: Path, new: Path) -> None:
        self._before()
        inode = self._inode(old)
        del self.platter.names[str(old)]
        self.platter.names[str(new)] = inode
        self._renamed(old.parent, new.parent)

    def remove(self, path: Path) -> None:
        self._before()
        if self.platter.names.pop(str(path), None) is not None:
            self._renamed(path.parent)

    def sync_folder(self, folder: Path) -> None:
        self._before()
        left = [(names, folders - {str(folder)}) for names, folders in self.platter.pending]
        while left and not left[0][1]:
            self.platter.safe_names = left.pop(0)[0]
        self.platter.pending = left
        self.point()
