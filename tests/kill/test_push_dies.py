"""The processes of a push are killed at every record of its journal: all old or all new, nothing hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kill import family
from tests.kill.flight import EARLY, RECORDS, Flight
from tests.kill.table import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kill.scene import Scene

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.row(55, 56, 60)]


def kill_client(flight: Flight) -> None:
    family.kill(flight.client)
    flight.go_on()


def kill_hook(flight: Flight) -> None:
    family.kill(flight.hook)


def kill_receive_pack(flight: Flight) -> None:
    family.kill(flight.receiver)
    flight.go_on()


def kill_all(flight: Flight) -> None:
    family.kill(*flight.family, flight.client)


VICTIMS: dict[str, Callable[[Flight], None]] = {
    "client": kill_client,
    "hook": kill_hook,
    "receive-pack": kill_receive_pack,
    "all": kill_all,
}
GONE = ("pre-receive", "locked", "begin", "note rehearse", "note migrate #2", "done deploy", "end")
"""Points for the client: it is one pipe that nobody reads any more, whatever the release does."""
CASES = [
    (victim, point)
    for victim in VICTIMS
    for point in (*EARLY, *RECORDS)
    if victim != "client" or point in GONE
]


@pytest.mark.parametrize(("victim", "point"), CASES, ids=lambda value: value.replace(" ", "-"))
def test_killed(
    scene: Scene, record_property: Callable[[str, object], None], victim: str, point: str
) -> None:
    wanted = scene.next()
    before = scene.picture()
    with Flight(scene.site) as flight:
        at = flight.stop_at(point)
        VICTIMS[victim](flight)
        code = flight.over()
        if CASES.index((victim, point)) % 3 == 0:  # the next push settles it
            wanted = scene.further()
            pushed = scene.site.push()
            assert pushed.code == 0, pushed.text
            outcome = scene.judge(before)
            assert outcome == "new"
        else:
            scene.site.recover()
            outcome = scene.judge(before)
            if code == 0:
                assert outcome == "new", flight.said
        assert "Traceback" not in flight.said
        assert "bug of gitops" not in flight.said
    assert scene.site.tip == (wanted.commit if outcome == "new" else scene.live.commit)
    told(record_property, victim, at or "over", outcome)


@pytest.mark.row(69)
@pytest.mark.parametrize(
    "point", ["note rehearse", "done migrate", "note publish", "done publish", "settled"]
)
def test_asked_to_stop(scene: Scene, record_property: Callable[[str, object], None], point: str) -> None:
    """SIGTERM, twice: the hook undoes or is done already, and tells the pusher which; nothing is left to do."""
    scene.next()
    before = scene.picture()
    with Flight(scene.site) as flight:
        at = flight.stop_at(point)
        for _ in range(2):
            family.ask_to_stop(flight.hook)
            flight.go_on()
        code = flight.over()
        outcome = scene.judge(before)
        assert outcome == ("new" if code == 0 else "old"), flight.said
        assert outcome == "new" or "stopped by SIGTERM" in flight.said
    told(record_property, "hook (TERM)", at, outcome)


def test_what_fails_after_publishing_is_told_only(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    """The mark of the release cannot be removed: the pusher hears of a release, not of a refusal."""
    scene.next()
    before = scene.picture()
    in_the_way = scene.site.home.repo / "packed-refs.lock"
    with Flight(scene.site) as flight:
        with flight.before_the_refs():
            at = flight.names()[-1]
            in_the_way.mkdir()  # no file: nobody takes it for a lock that a crash has left
        try:
            flight.go_on()
            assert flight.over() == 0, flight.said
        finally:
            in_the_way.rmdir()
        assert "the mark of the release stays until the next one: git's own lock" in flight.said
        assert scene.site.recover() == []
        assert scene.judge(before) == "new"
    told(record_property, "mark", at, "new")


def test_the_records_are_those_of_a_release(scene: Scene) -> None:
    scene.next()
    before = scene.picture()
    with Flight(scene.site) as flight:
        assert flight.over() == 0
        assert tuple(flight.names()) == RECORDS
    assert scene.judge(before) == "new"
