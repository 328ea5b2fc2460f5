"""Many calls at once: threads that take the next call until there is none."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from gitops_cli.errors import GitopsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

WIDTH = 16
"""Requests in flight: 3,000 PATCHes took 6.9 s so, and 13 to 17 s one after another."""
PAUSE = 0.5
"""Seconds until the end of the calls is looked for anyhow: an interrupted wait may have lost the bell."""


class _Work(Generic[T]):
    """The calls, who takes the next one, and what came of each."""

    def __init__(self, calls: list[Callable[[], T]]) -> None:
        self.calls = calls
        self.results: list[T | GitopsError | None] = [None] * len(calls)
        self.bug: BaseException | None = None
        self.lost: Unavailable | None = None
        self.stop = False
        self._next = iter(range(len(calls)))
        self._lock = threading.Lock()
        self._over = not calls
        self._at_work: set[int] = set()
        self._bell: SimpleQueue[None] = SimpleQueue()

    def run(self) -> None:
        """Work until nothing is left: the body of each thread."""
        thread = threading.get_ident()
        self._at_work.add(thread)  # before it asks for a call: whoever says stop sees those that still may
        try:
            while (number := self._take()) is not None:
                self._call(number)
        finally:
            self._at_work.discard(thread)
            self._bell.put(None)

    def wait(self) -> None:
        """Return when no call is in flight and none will begin; may be interrupted and called again.

        Not by `Thread.join`: interrupted, it takes a running thread for an ended one (python/cpython#90882).
        Not by a lock: an exception just after it was taken would keep it.
        """
        while self._at_work or not (self._over or self.stop):
            with suppress(Empty):
                self._bell.get(timeout=PAUSE)

    def _take(self) -> int | None:
        """Give the number of the next call; None when there is none, or none may begin any more."""
        with self._lock:
            number = None if self.stop or self.lost or self.bug else next(self._next, None)
            self._over = self._over or number is None
            return number

    def _call(self, number: int) -> None:
        try:
            self.results[number] = self.calls[number]()
        except Unavailable as error:
            self.results[number] = self.lost = error
        except GitopsError as error:
            self.results[number] = error
        except BaseException as error:  # noqa: BLE001 - raised again by `together`, in the main thread
            self.bug = error


def together(
    calls: Iterable[Callable[[], T]], *, width: int = WIDTH, hurry: threading.Event | None = None
) -> list[T | GitopsError]:
    """Make the calls, `width` at a time; give what each returned, or its error, in their order.

    `hurry` is set while this waits for calls that are to end soon.

    When one finds the server gone, no further call begins and the rest have the same error. An exception in
    this thread (`Stopped`) waits for the calls in flight, so that whoever undoes finds nothing still moving.
    """
    work = _Work(list(calls))
    try:
        for number in range(min(width, len(work.calls))):
            threading.Thread(target=work.run, name=f"kubernetes-{number}", daemon=True).start()
        work.wait()
    except BaseException:
        work.stop = True
        _end(work, hurry or threading.Event())
        raise
    if work.bug is not None:
        raise work.bug
    return [_settled(result, work.lost) for result in work.results]


def _end(work: _Work[T], hurry: threading.Event) -> None:
    """Wait for the calls in flight; what they would try again they give up."""
    hurry.set()
    work.wait()
    hurry.clear()


def _settled(result: T | GitopsError | None, lost: Unavailable | None) -> T | GitopsError:
    return lost if result is None and lost is not None else result  # type: ignore[return-value]  # T may be None
