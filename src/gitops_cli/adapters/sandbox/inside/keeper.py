"""The process beside the command: forwards signals to it, reaps orphans, and takes all down at the end.

In a pid namespace it is process 1: when it ends, the kernel kills the rest, whatever session they are in.
Without one it is their subreaper, and kills all its descendants itself.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # no stubs; the module `signal` wraps it in enums, 5 ms
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FORWARDED = (1, 2, 3, 10, 12, 15)
"""HUP, INT, QUIT, USR1, USR2, TERM: the same numbers on every architecture but MIPS and SPARC."""
REALTIME = 34
"""SIGRTMIN of glibc. The launcher passes signal N on as N + 34: a signal to their common group reaches the
keeper too, and the command must not get it twice."""
ALONE = 63
"""The realtime signal that means: the launcher is dead."""


_LOOK_AGAIN = 0.01
"""Seconds between two looks for processes to kill."""


def mask() -> None:
    """Hold back every signal that `wait` takes."""
    own = {*FORWARDED, _signal.SIGCHLD, ALONE, *(number + REALTIME for number in FORWARDED)}
    _signal.pthread_sigmask(_signal.SIG_BLOCK, own)


def unmask() -> None:
    """Give a command the signals as a shell would: all default, none held back."""
    for number in range(1, 65):
        if number not in (9, 19, 32, 33):  # KILL, STOP, and two of the C library
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def status_code(status: int) -> int:
    """Give the exit code of a wait status as shells do: 128 + N for signal N."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def wait(command: int) -> int:
    """Forward and reap until the command has ended; give its exit code (137 when the launcher is dead)."""
    wanted = {_signal.SIGCHLD, ALONE, *(number + REALTIME for number in FORWARDED)}
    while True:
        number = _signal.sigwait(wanted)
        if number == ALONE:
            return 137
        if number != _signal.SIGCHLD:
            _kill_group(command, number - REALTIME)
            continue
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 137  # cannot be: the command has not been reaped yet
            if pid == 0:
                break
            if pid == command:
                return status_code(status)


def watch(keeper: int) -> int:
    """Be the launcher: pass signals on to the keeper until it has ended; give its exit code."""
    wanted = {_signal.SIGCHLD, *FORWARDED}
    while True:
        number = _signal.sigwait(wanted)
        if number != _signal.SIGCHLD:
            os.kill(keeper, number + REALTIME)
            continue
        pid, status = os.waitpid(keeper, os.WNOHANG)
        if pid:
            return status_code(status)


def _kill_group(command: int, number: int) -> None:
    try:
        os.killpg(command, number)
    except ProcessLookupError:  # it has not begun its session yet
        os.kill(command, number)


def kill_descendants() -> None:
    """Kill every process below this one, and those that they start meanwhile."""
    while True:
        for pid in _descendants(os.getpid(), _parents()):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        # Never without a limit: one that was started during the look around has not been killed yet.
        _signal.sigtimedwait({_signal.SIGCHLD}, _LOOK_AGAIN)


def _parents() -> dict[int, int]:
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib is not loaded here
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    text = file.read()
            except OSError:
                continue
            found[int(name)] = int(text[text.rindex(b")") + 2 :].split()[1])
    return found


def _descendants(root: int, parents: dict[int, int]) -> Iterable[int]:
    below = {root}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        below |= more
        grown = bool(more)
    return below - {root}
