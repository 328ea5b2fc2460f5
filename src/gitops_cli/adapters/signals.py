"""A request to stop: the first SIGTERM, SIGINT or SIGHUP raises `Stopped`, later ones are ignored.

A hook gets SIGTERM when its receive-pack dies. The release then undoes what it began; a second signal must
not cut that short. While the refs are being moved the signal waits, and a release that is published is
done: the rest of it is not stopped either, or its pusher would hear of a refusal. The next one would be.
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
    requested = False
    holding = 0
    published = False


_state = _State()


def _handle(number: int, _frame: object) -> None:
    if _state.requested:
        return
    _state.requested = True
    if not (_state.holding or _state.published):
        processes.kill_children()
        raise Stopped(f"stopped by {signal.Signals(number).name}")


def install() -> None:
    """Handle the signals from now on; only in the main thread."""
    for number in _HANDLED:
        signal.signal(number, _handle)


def requested() -> bool:
    """Say whether somebody has asked us to stop."""
    return _state.requested


def wait() -> None:
    """Do nothing until a signal comes. Raises `Stopped`."""
    while True:
        signal.pause()


def ignore() -> None:
    """Let nothing stop what is left of a release that is published."""
    _state.published = True


def heed() -> None:
    """Begin a release. Raises `Stopped` when somebody has asked to stop before it."""
    _state.published = False
    if _state.requested:
        raise Stopped("stopped by a signal")


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold signals back while refs move. One that came meanwhile raises nothing afterwards either."""
    _state.holding += 1
    try:
        yield
    finally:
        _state.holding -= 1
