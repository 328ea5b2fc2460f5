"""What the processes printed: bounded files, one a replica's container; each line with its time."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, BinaryIO

from gitops_cli.adapters import clock
from gitops_cli.adapters.files import private_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_BYTES = 1024 * 1024
"""A file is replaced when it is that long; one older file is kept."""
MOST_LINE = 8 * 1024
LOOK_AGAIN = 0.2


class LogWriter:
    """Writes lines; a full disk loses lines and never stops an application."""

    def __init__(self, path: Path) -> None:
        """`path` is made when the first line comes."""
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Take what was read and give the lines that are complete now, as text (still hostile)."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._write(line[:MOST_LINE])
        return [line[:MOST_LINE].decode("utf-8", "backslashreplace") for line in lines]

    def finish(self) -> list[str]:
        """Take the last line, which had no end, and close the file."""
        lines = self.feed(b"\n") if self._rest else []
        if self._file is not None:
            self._file.close()
            self._file = None
        return lines

    def _write(self, line: bytes) -> None:
        try:
            if self._file is None:
                private_dir(self._path.parent)
                self._file = self._path.open("ab", buffering=0)
            elif self._file.tell() > MOST_BYTES:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._path.open("ab", buffering=0)
            self._file.write(b"%.3f %s\n" % (clock.now(), line))
        except OSError:
            self._file = None


def log_path(folder: Path, workload: str, container: str, replica: int) -> Path:
    """Name the log of one container. The parts are DNS labels: no separator can stand in them."""
    return folder / "logs" / f"{workload}.{container}.{replica}.log"


def _stamped(line: bytes) -> tuple[float, str]:
    stamp, _, text = line.partition(b" ")
    try:
        return float(stamp), text.rstrip(b"\n").decode("utf-8", "backslashreplace")
    except ValueError:
        return 0.0, line.rstrip(b"\n").decode("utf-8", "backslashreplace")


def _read(path: Path, lines: int) -> Iterator[tuple[float, str]]:
    """Give the last lines of a log and of the one before it, in the order they were written."""
    found: deque[bytes] = deque(maxlen=lines)
    for part in (path.with_name(path.name + ".1"), path):
        try:
            with part.open("rb") as file:
                found.extend(file)
        except OSError:
            continue
    return (_stamped(line) for line in found)


def last_lines(paths: list[Path], lines: int) -> list[str]:
    """Give the last lines of several logs by their times: `web.0: text`. Hostile: whoever prints escapes."""
    merged = heapq.merge(*(((at, _label(p), text) for at, text in _read(p, lines)) for p in sorted(paths)))
    return [f"{label}: {text}" for _, label, text in deque(merged, maxlen=lines)]


def _label(path: Path) -> str:
    workload, _container, replica, _ = path.name.split(".", 3)
    return f"{workload}.{replica}"


class Follower:
    """Gives the lines that are written from now on; finds logs that begin later or are replaced."""

    def __init__(self, paths: list[Path]) -> None:
        """Begin at the end of what is there."""
        self._places = {path: _size(path) for path in paths}
        self._kinds = {path: _inode(path) for path in paths}

    def poll(self, paths: list[Path]) -> list[str]:
        """Give what has come since the last call."""
        found: list[tuple[float, str, str]] = []
        for path in paths:
            if _inode(path) != self._kinds.get(path) or _size(path) < self._places.get(path, 0):
                self._places[path] = 0
                self._kinds[path] = _inode(path)
            found += [(at, _label(path), text) for at, text in self._new(path)]
        return [f"{label}: {text}" for _, label, text in sorted(found)]

    def _new(self, path: Path) -> Iterator[tuple[float, str]]:
        try:
            with path.open("rb") as file:
                file.seek(self._places.get(path, 0))
                data = file.read(MOST_BYTES)
        except OSError:
            return
        complete = data[: data.rfind(b"\n") + 1]
        self._places[path] = self._places.get(path, 0) + len(complete)
        yield from (_stamped(line) for line in complete.split(b"\n")[:-1])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
