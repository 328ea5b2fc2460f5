"""A migration that sleeps for ever, and whoever waits for it is killed: nothing of it stays alive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.kill.flight import Flight
from tests.kill.table import told
from tests.kill.test_push_dies import VICTIMS
from tests.support.site import migration

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kill.scene import Scene

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.row(36, 56, 60)]

SLEEP = "(op.execute(\"select 'asleep'\"), time.sleep(36000))"
REAL = "op.get_bind().exec_driver_sql('select 1 from items').first()"
"""Only the real database has rows: the rehearsal passes."""
SLEEPS = {
    "rehearsal, Python": ("note rehearse", f"!import time; {SLEEP}"),
    "rehearsal, SQL": ("note rehearse", "select pg_sleep(36000) as asleep"),
    "real run, Python": ("note migrate #2", f"!import time; {REAL} and {SLEEP}"),
    "real run, SQL": (
        "note migrate #2",
        "select pg_sleep(case when exists (select from items) then 36000 else 0 end) as asleep",
    ),
}


def asleep(scene: Scene) -> bool:
    """Say whether the last statement of a migration is the one that comes before it sleeps, or sleeps itself."""
    last = "select pid from pg_stat_activity where query like '%asleep%' and pid <> pg_backend_pid()"
    return bool(scene.site.sql(last))


@pytest.mark.parametrize(
    ("victim", "where"),
    [(victim, where) for victim in VICTIMS for where in SLEEPS if victim != "client" or "SQL" in where],
)
def test_killed_while_it_sleeps(
    scene: Scene, record_property: Callable[[str, object], None], victim: str, where: str
) -> None:
    """The next push, which is good, ends the sleeper and is released; a client's death alone ends nothing."""
    point, up = SLEEPS[where]
    number = scene.live.number + 1
    config = scene.site.home.config
    plain = config.read_text()
    before = scene.picture()
    text = migration(f"{number:04}", f"{number - 1:04}", up, "select 1")
    if victim == "client":
        config.write_text(
            plain.replace("branch: main", "timeouts: {rehearsal: 12, migration: 12}\n    branch: main")
        )
    try:
        scene.site.commit("It sleeps", {f"migrations/versions/{number:04}_change.py": text})
        with Flight(scene.site) as flight:
            at = flight.stop_at(point)
            flight.go_on()
            while not asleep(scene):
                assert flight.process.poll() is None, flight.said
                time.sleep(0.05)  # a database tells nobody what others do
            VICTIMS[victim](flight)
            flight.over()
    finally:
        config.write_text(plain)
        scene.forget()
    scene.next()
    pushed = scene.site.push()
    assert pushed.code == 0, pushed.text
    assert scene.judge(before) == "new"
    assert not asleep(scene)
    told(record_property, victim, f"asleep: {at}", "new")
