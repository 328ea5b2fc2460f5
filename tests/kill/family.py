"""The processes of a push: found below its client, caught when their parents die, never left behind."""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kill.watching import LONG, state

if TYPE_CHECKING:
    from collections.abc import Iterable

PR_SET_CHILD_SUBREAPER = 36
_NUMBER = re.compile(r"(?<=inside )\d+|\b[1-9]\d{4}\b")


def catch_orphans() -> None:
    """Become the parent of every process below us whose own parent dies: nothing can hide."""
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def of_push(client: int) -> dict[int, str]:
    """Give what runs below a client, but for the servers that it started: those are to outlive it."""
    found = below(client)
    servers = [pid for pid, words in found.items() if "local.supervisor" in words or "/postgres -D" in words]
    for pid in servers:
        for one in (pid, *below(pid)):
            found.pop(one, None)
    return found


def below(top: int) -> dict[int, str]:
    """Give pid and command line of every living process below another one."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough
        if name.isdigit():
            with suppress(OSError, IndexError):
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    parents[int(name)] = int(fields[1])
    found: dict[int, str] = {}
    rank = {top}
    while rank := {pid for pid, parent in parents.items() if parent in rank} - set(found):
        for pid in rank:
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                found[pid] = words.decode("utf-8", "replace").strip()
    return {pid: words for pid, words in found.items() if words}  # one without any has just ended


def mine() -> list[str]:
    """Give the command lines of everything that runs below this test, sorted; the database's own left out."""
    reap()
    found = below(os.getpid())
    for server in [pid for pid, words in found.items() if "/postgres -D" in words]:
        for worker in below(server):
            found.pop(worker, None)
    return sorted(_NUMBER.sub("N", words) for words in found.values() if not words.startswith("postgres: "))


def reap() -> None:
    """Bury the orphans that have ended."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ChildProcessError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] == "Z" and int(fields[1]) == os.getpid():
                os.waitpid(int(folder.name), os.WNOHANG)


def kill(*pids: int) -> None:
    """SIGKILL."""
    for pid in pids:
        _send(pid, signal.SIGKILL)


def ask_to_stop(pid: int) -> None:
    """SIGTERM."""
    _send(pid, signal.SIGTERM)


def _send(pid: int, number: signal.Signals) -> None:
    """Send a signal to one that may have ended; 0 stands for nobody, and would be our own group."""
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def stop(pid: int) -> bool:
    """SIGSTOP, and wait until it stands; False when it had ended."""
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    until = time.monotonic() + LONG
    while (now := state(pid)) not in ("T", "t", "Z", "X", ""):
        assert time.monotonic() < until, f"{pid} does not stop"
        os.sched_yield()
    return now in ("T", "t")


def go_on(pid: int) -> None:
    """SIGCONT."""
    _send(pid, signal.SIGCONT)


def ended(pids: Iterable[int], seconds: float = LONG) -> None:
    """Wait until all have ended: whoever has not by then hangs."""
    until = time.monotonic() + seconds
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ready, _, _ = select.select([descriptor], [], [], max(until - time.monotonic(), 0.01))
        os.close(descriptor)
        assert ready or state(pid) in ("Z", ""), f"{pid} hangs: {below(os.getpid()).get(pid)}"
