"""Where a release stands, seen from outside: its journal grows, and the kernel says so at once (inotify)."""

from __future__ import annotations

import ctypes
import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from gitops_cli.pipeline.lock import Holder
from gitops_cli.pipeline.records import Done, Failed, Intent, Note, Undoing, Undone, scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.adapters.home import Home
    from gitops_cli.pipeline.records import Entry

CHANGES = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200
"""IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE."""
LONG = 120.0
"""Seconds after which a test says that something hangs."""
_libc = ctypes.CDLL(None, use_errno=True)


class Folders:
    """Hears of every change in some folders, for a `with`."""

    def __init__(self, *folders: Path) -> None:
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        assert self._fd >= 0, "no inotify"
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            assert _libc.inotify_add_watch(self._fd, os.fsencode(folder), CHANGES) >= 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def until(self, question: Callable[[], bool], *ends: int, often: float = LONG) -> bool:
        """Ask after each change and every so many seconds; False when an end of `ends` came first."""
        deadline = time.monotonic() + LONG
        while not question():
            assert time.monotonic() < deadline, "nothing happens any more"
            ready, _, _ = select.select([self._fd, *ends], [], [], often)
            if self._fd in ready:
                os.read(self._fd, 1 << 16)
            elif ready:
                return question()
        return True


def entries(home: Home, number: int) -> list[Entry]:
    """Read the records of a release, open or archived."""
    folder = home.journal("production")
    for path in (folder / f"{number:06}.journal", folder / "done" / f"{number:06}.journal"):
        try:
            return scan(path.read_bytes()).entries
        except FileNotFoundError:
            continue
    return []


def names(found: list[Entry]) -> list[str]:
    """Name each record: its kind, its step and which one of its kind it is."""
    said: list[str] = []
    for entry in found:
        step = entry.step if isinstance(entry, Intent | Note | Done | Failed | Undoing | Undone) else ""
        name = f"{type(entry).__name__.lower()} {step}".strip()
        count = sum(one == name or one.startswith(f"{name} #") for one in said)
        said.append(f"{name} #{count + 1}" if count else name)
    return said


def holder(home: Home) -> int:
    """Give the pid of the hook that says it holds the lock; 0 for nobody."""
    note = home.lock("production").with_name("production.lock.holder")
    try:
        return msgspec.json.decode(note.read_bytes(), type=Holder).process.pid
    except (OSError, msgspec.MsgspecError):
        return 0


def state(pid: int) -> str:
    """Give the letter that /proc says of a process; empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def received(pid: int, number: int) -> None:
    """Wait until a process that runs has taken a signal; the kernel tells nobody."""
    deadline = time.monotonic() + LONG
    while _pending(pid) >> (number - 1) & 1:
        assert time.monotonic() < deadline, f"{pid} takes no signal"
        time.sleep(0.005)


def _pending(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return int(next((line.split()[1] for line in lines if line.startswith("ShdPnd:")), "0"), 16)
