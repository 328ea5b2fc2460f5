"""Calls side by side, and what an interruption of the thread that waits for them leaves: nothing in flight."""

from __future__ import annotations

import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.kubernetes import pool
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interrupted(Exception):
    """What the handler of the signal raises, as `Stopped` is."""


@pytest.fixture
def interruptible() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("calls", [0, 1, 16, 100])
def test_results_come_in_the_order_of_the_calls(calls: int) -> None:
    results = pool.together([partial(int, str(number)) for number in range(calls)])
    assert results == list(range(calls))


def test_no_call_begins_once_the_server_is_gone() -> None:
    begun: list[int] = []

    def call(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise Unavailable("it is gone")
        return number

    results = pool.together([partial(call, number) for number in range(10)], width=1)
    assert begun == [0, 1, 2, 3]
    assert results[:3] == [0, 1, 2]
    assert {str(result) for result in results[3:]} == {str(results[3])}


def test_a_bug_in_a_call_is_raised_where_they_are_awaited() -> None:
    def call() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pool.together([call] * 20)


@pytest.mark.parametrize("width", [1, 16])
@pytest.mark.usefixtures("interruptible")
def test_the_calls_in_flight_end_before_an_interruption_goes_on(width: int) -> None:
    """Each takes its time after the wait for it was interrupted: `Thread.join` would not see it through."""
    waiting = threading.get_ident()
    hurry = threading.Event()
    begun: list[int] = []
    ended: list[int] = []
    all_begun = threading.Barrier(width)

    def call(number: int) -> int:
        begun.append(number)
        if all_begun.wait() == 0:
            time.sleep(0.05)  # until the other thread waits: it cannot be asked
            signal.pthread_kill(waiting, signal.SIGUSR1)
        hurry.wait()
        time.sleep(0.05)  # the request that cannot be taken back any more
        ended.append(number)
        return number

    with pytest.raises(Interrupted):
        pool.together([partial(call, number) for number in range(100)], width=width, hurry=hurry)
    assert len(ended) == len(begun) == width
    assert not hurry.is_set()
