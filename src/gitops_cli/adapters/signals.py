"""A request to stop: the first SIGTERM, SIGINT or SIGHUP raises `Stopped`, later ones are ignored.

A hook gets SIGTERM when its receive-pack dies. The release then undoes what it began, and no signal, be it
the first one or a later one, may cut that short: all that it could ask for is done already. So a release
holds signals back but for where a step does its work. While the refs are being moved the signal waits, and a
release that is published is done: the rest of it is not stopped either, or its pusher would hear of a
refusal. The next one would be.
"""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

from gitops_cli.adapters import processes
from gitops_cli.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _State:
    requested = ""
    """The name of the first signal that came."""
    holding = 0
    published = False


_state = _State()


def _handle(number: int, _frame: object) -> None:
    if _state.requested:
        return
    _state.requested = signal.Signals(number).name
    if not (_state.holding or _state.published):
        processes.kill_children()
        _stop()


def _stop() -> None:
    raise Stopped(f"stopped by {_state.requested}")


def install() -> None:
    """Handle the signals from now on; only in the main thread."""
    for number in _HANDLED:
        signal.signal(number, _handle)


def requested() -> bool:
    """Say whether somebody has asked us to stop."""
    return bool(_state.requested)


def wait() -> None:
    """Do nothing until a signal comes. Raises `Stopped`."""
    while True:
        signal.pause()


def ignore() -> None:
    """Let nothing stop what is left once refs have moved."""
    _state.published = True


def heed() -> None:
    """Begin a release. Raises `Stopped` when somebody has asked to stop before it."""
    _state.published = False
    if _state.requested:
        _stop()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold signals back, and let children live. One that came meanwhile raises nothing afterwards either."""
    _state.holding += 1
    try:
        yield
    finally:
        _state.holding -= 1


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Let signals through in a part of what holds them back. Raises `Stopped`, also for one that came before.

    Where the signal comes while this begins or ends, it is raised from the `with` all the same.
    """
    before = _state.holding
    try:
        _state.holding = 0
        if _state.requested and not _state.published:
            _stop()
        yield
    finally:
        _state.holding = before
