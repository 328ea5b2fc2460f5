"""What a release works with is killed under it: the child that runs migrations, database, supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from gitops_cli.adapters import sandbox
from gitops_cli.adapters.postgres import server
from gitops_cli.targets.local.client import Supervisor
from tests.kill import family
from tests.kill.flight import RECORDS, Flight
from tests.kill.table import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kill.scene import Scene

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.row(60, 73)]


def child(flight: Flight) -> int:
    """The process that runs pushed code now."""
    return flight.child


def backend(flight: Flight) -> int:
    """The backend that works for this release; without one, a process that every server has.

    The death of either makes PostgreSQL end all connections and read its log again.
    """
    running = server.status(flight.home)
    assert running is not None
    with psycopg.connect(running.admin_url) as admin:
        ours = "application_name like 'gitops:%' desc, backend_type = 'walwriter' desc"
        row = admin.execute(
            b"select pid from pg_stat_activity where pid <> pg_backend_pid() order by " + ours.encode()
        ).fetchone()
    assert row is not None
    return int(row[0])


def postmaster(flight: Flight) -> int:
    running = server.status(flight.home)
    return running.pid if running is not None else 0


def supervisor(flight: Flight) -> int:
    who = Supervisor(flight.home, "production", sandbox.Level.NONE).identity()
    return who.pid if who is not None else 0


VICTIMS: dict[str, tuple[Callable[[Flight], int], tuple[str, ...]]] = {
    "child": (child, ("note rehearse", "note migrate #2", "note migrate #3", "note migrate #4")),
    "backend": (
        backend,
        ("begin", "intent rehearse", "note rehearse", "note rehearse #2", "intent migrate", "note migrate",
         "note migrate #2", "note migrate #3", "note migrate #4", "done migrate", "note deploy",
         "intent publish"),
    ),
    "postmaster": (
        postmaster,
        ("intent validate", "note rehearse", "note migrate", "note migrate #4", "done migrate", "end"),
    ),
    "supervisor": (supervisor, RECORDS),
}  # fmt: skip
CASES = [(victim, point) for victim, (_, points) in VICTIMS.items() for point in points]


@pytest.mark.parametrize(
    ("victim", "point"), CASES, ids=lambda value: value.replace(" ", "-").replace("#", "")
)
def test_killed(
    scene: Scene, record_property: Callable[[str, object], None], victim: str, point: str
) -> None:
    """The hook lives and says how it ended, truly; then recovery starts what is missing."""
    scene.next()
    before = scene.picture()
    with Flight(scene.site) as flight:
        at = flight.stop_at(point)
        pid = VICTIMS[victim][0](flight)
        family.kill(pid)
        flight.go_on()
        code = flight.over()
        scene.site.recover()
        outcome = scene.judge(before)
        assert outcome == ("new" if code == 0 else "old"), flight.said
        assert "Traceback" not in flight.said
        assert "bug of gitops" not in flight.said
        assert "env.py" not in flight.said  # it is not to blame
    assert pid or victim == "child"
    told(record_property, victim, at or "over", outcome)
