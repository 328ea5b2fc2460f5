"""Killed while taking back, and while recovering, again and again: the next recovery still finishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kill import family
from tests.kill.flight import RECORDS, RECOVER, UNDOING, Flight
from tests.kill.table import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kill.scene import Scene

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.row(60)]

DEAD = {"app.py": "raise SystemExit(3)\n"}
"""A version that never becomes ready."""


def recover_and_die(scene: Scene, record_property: Callable[[str, object], None]) -> int:
    """Recover and die at the first new record, then at the second one, until it ends; count the deaths."""
    for death in range(1, 20):
        with Flight(scene.site, RECOVER) as flight:
            count = len(flight.records())
            killed = flight.kill_at(count + death) if count else False
            if not killed:
                assert flight.over() == 0, flight.said
                return death - 1
        told(record_property, "recover", flight.names()[-1], "on")
    raise AssertionError("recovery never ends")


@pytest.mark.parametrize("victim", ["hook", "receive-pack"])
@pytest.mark.parametrize("point", UNDOING)
def test_killed_while_taking_back(
    scene: Scene, record_property: Callable[[str, object], None], victim: str, point: str
) -> None:
    scene.broken(DEAD)
    before = scene.picture()
    try:
        with Flight(scene.site) as flight:
            at = flight.stop_at(point)
            family.kill(flight.hook if victim == "hook" else flight.receiver)
            flight.go_on()
            assert flight.over() != 0
            scene.site.recover()
            assert scene.judge(before) == "old"
    finally:
        scene.forget()
    told(record_property, victim, at, "old")


@pytest.mark.row(69)
@pytest.mark.parametrize(
    "point", ["failed deploy", "undoing migrate", "note migrate #5", "note migrate #7", "undone migrate"]
)
def test_asked_to_stop_while_taking_back(
    scene: Scene, record_property: Callable[[str, object], None], point: str
) -> None:
    """The first signal comes when all that it could ask for is under way: nothing is left to recover."""
    scene.broken(DEAD)
    before = scene.picture()
    try:
        with Flight(scene.site) as flight:
            at = flight.stop_at(point)
            family.ask_to_stop(flight.hook)
            flight.go_on()
            assert flight.over() != 0
            assert scene.judge(before) == "old"
            assert "could not be taken back" not in flight.said
            assert scene.site.recover() == []
    finally:
        scene.forget()
    told(record_property, "hook (TERM)", at, "old")


@pytest.mark.parametrize(
    ("point", "ends"), [("note publish", "old"), ("done migrate", "old"), ("done publish", "new")]
)
def test_killed_at_every_record_of_the_recovery(
    scene: Scene, record_property: Callable[[str, object], None], point: str, ends: str
) -> None:
    """The hook dies, then the first `gitops recover` at its first record, the second at the next one, ..."""
    scene.next()
    before = scene.picture()
    with Flight(scene.site) as flight:
        flight.stop_at(point)
        family.kill(flight.hook)
        flight.over()
        at = flight.names()[-1]
        deaths = recover_and_die(scene, record_property)
    family.reap()
    assert scene.judge(before) == ends or RECORDS.index(at) > RECORDS.index(point)
    assert deaths >= (3 if ends == "old" else 0)


def test_killed_twice_by_pushes_that_recover(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    """Each push begins by settling the one before it, and is killed while it does; the third one passes."""
    scene.next()
    before = scene.picture()
    with Flight(scene.site) as first:
        first.stop_at("done deploy")
        family.kill(first.hook)
        first.over()
    for _ in range(3):
        with Flight(scene.site) as further:
            further.number = first.number
            records = len(first.records())
            assert further.folders.until(lambda many=records: len(first.records()) > many)  # type: ignore[misc]
            family.kill(*family.of_push(further.client), further.client)
            further.over()
        told(record_property, "all", "settling the push before", "on")
    assert scene.site.push().code == 0
    assert scene.judge(before) == "new"
