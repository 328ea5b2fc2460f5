"""Who dies with whom: parents take their children along, and children follow their parents."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

_PR_SET_PDEATHSIG = 1
_running: dict[int, subprocess.Popen[bytes]] = {}


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Ask the kernel for this signal when the *thread* that started us ends.

    A change of uid clears it, and it never fires for a parent that is dead already: compare `os.getppid()`
    afterwards. Raises `OSError`.
    """
    import ctypes  # noqa: PLC0415 - 5 ms, only for who asks

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def remember(child: subprocess.Popen[bytes]) -> None:
    """Let `kill_children` kill the group of this child, which leads it."""
    for pid, other in list(_running.items()):
        if other.returncode is not None:
            del _running[pid]
    _running[child.pid] = child


def forget(child: subprocess.Popen[bytes]) -> None:
    """Take a child off the list: it has ended, or it is to outlive us."""
    _running.pop(child.pid, None)


def kill_children() -> None:
    """SIGKILL the groups of all children that still run; safe in a signal handler.

    A child that has not been waited for keeps its pid, so no stranger is hit. What `run` started just before
    the signal may not be on the list yet: the next push finds it by its descriptor of the lock.
    """
    for pid, child in list(_running.items()):
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
