"""Death at any moment: of us, of the child, of its backend, of the server. All old or all new, by asking."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from gitops_cli.adapters.postgres import server
from gitops_cli.errors import GitopsError
from tests.migrations.conftest import ITEMS, NOTE, Attempt, World, sql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TAGS = sql("CREATE TABLE tags (id int)", "DROP TABLE tags")
DROP = sql("ALTER TABLE items DROP COLUMN note", "ALTER TABLE items ADD COLUMN note text")


def _first(world: World) -> tuple[str, tuple[str, ...]]:
    return world.commit(ITEMS, NOTE), ()


def _up(world: World) -> tuple[str, tuple[str, ...]]:
    world.push(world.commit(ITEMS))
    world.sql("INSERT INTO items (name) VALUES ('a'), ('b')")
    return world.commit(ITEMS, NOTE, TAGS), ()


def _destroying(world: World) -> tuple[str, tuple[str, ...]]:
    world.push(world.commit(ITEMS, NOTE))
    world.sql("INSERT INTO items (name, note) VALUES ('a', 'x'), ('b', NULL)")
    return world.commit(ITEMS, NOTE, DROP), ("accept-loss",)


def _down(world: World) -> tuple[str, tuple[str, ...]]:
    old = world.commit(ITEMS)
    world.push(old)
    world.push(world.commit(ITEMS, NOTE, TAGS))
    world.sql(
        "INSERT INTO items (name, note) VALUES ('a', 'x'), ('b', NULL); INSERT INTO tags VALUES (1), (2)"
    )
    return old, ("accept-loss",)


KINDS: dict[str, Callable[[World], tuple[str, tuple[str, ...]]]] = {
    "first": _first,
    "up": _up,
    "destroying": _destroying,
    "down": _down,
}


def _die_at(attempt: Attempt, journal: Path, point: int) -> bool:
    """Run a release in a process that is killed when it has written its n-th note; False: it came to its end."""
    left = point

    def reached(_facts: object) -> bool:
        nonlocal left
        left -= 1
        return left == 0

    return _die_when(attempt, journal, reached)


def _die_when(attempt: Attempt, journal: Path, reached: Callable[[dict[str, Any]], bool]) -> bool:
    """Run a release in a process that is killed when a note says so; False: it came to its end."""
    pid = os.fork()
    if pid == 0:

        def noted(facts: dict[str, Any]) -> None:
            journal.write_text(json.dumps(attempt.journal.steps))
            if reached(facts):
                os.kill(os.getpid(), signal.SIGKILL)

        attempt.journal.on_note = noted
        try:
            attempt.do()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.row(60, 73)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_note(world: World, tmp_path: Path, kind: str) -> None:
    commit, options = KINDS[kind](world)
    before = world.picture()
    points = 0
    while True:
        points += 1
        attempt = world.release(commit, *options)
        journal = tmp_path / f"{points}.json"
        killed = _die_at(attempt, journal, points)
        attempt.journal.steps = json.loads(journal.read_text())
        attempt.begun = ["rehearse", "migrate"]
        attempt.undo()
        assert world.picture() == before, points
        attempt.undo()
        assert world.picture() == before, points
        if not killed:
            break
    assert points > 4
    world.push(commit, *options)


@pytest.mark.row(60, 73)
def test_killed_after_a_sequence_was_set_back(world: World, tmp_path: Path) -> None:
    """No ROLLBACK takes setval() back, so whoever settles the release does."""
    world.push(world.commit(ITEMS))
    world.sql("SELECT setval('items_id_seq', 5000)")
    attempt = world.release(world.commit(ITEMS, sql("SELECT setval('items_id_seq', 1, false)")))
    journal = tmp_path / "journal.json"
    assert _die_when(attempt, journal, lambda facts: "xid" in facts)
    assert world.sql("SELECT last_value FROM items_id_seq") == [(1,)]
    attempt.journal.steps = json.loads(journal.read_text())
    attempt.begun = ["rehearse", "migrate"]
    attempt.undo()
    assert world.sql("INSERT INTO items (name) VALUES ('a') RETURNING id") == [(5001,)]


def _tracked(attempt: Attempt, at: str, act: Callable[[dict[str, Any]], None]) -> None:
    """Do something when a fact of that name is noted by `migrate`."""

    def noted(facts: dict[str, Any]) -> None:
        if at in facts and "begun" in attempt.journal.steps.get("migrate", {}):
            act(attempt.journal.steps["migrate"])

    attempt.journal.on_note = noted


def _kill_child(facts: dict[str, Any]) -> None:
    os.killpg(facts["child"]["group"], signal.SIGKILL)


def _settle(attempt: Attempt, world: World, before: dict[str, Any]) -> str:
    """Run it; when it failed undo it. Say how it ended, which must be all old or all new."""
    try:
        attempt.do()
    except GitopsError as error:
        attempt.undo()
        assert world.picture() == before
        return error.code
    assert (
        world.sql("SELECT count(*) FROM gitops.ledger WHERE release = " + repr(attempt.release.id))[0][0] > 0
    )
    return "done"


@pytest.mark.row(73)
@pytest.mark.parametrize("at", ["child", "xid"])
def test_child_killed(world: World, at: str) -> None:
    commit, _ = _up(world)
    before = world.picture()
    attempt = world.release(commit)
    _tracked(attempt, at, _kill_child)
    assert _settle(attempt, world, before) in {"migration.died", "done"}


@pytest.mark.row(73)
def test_backend_terminated_before_the_commit(world: World) -> None:
    commit, _ = _up(world)
    before = world.picture()
    attempt = world.release(commit)
    name = f"gitops:{attempt.release.id}"

    def terminate(_facts: object) -> None:
        world.sql(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = '{name}'"
        )

    _tracked(attempt, "xid", terminate)
    assert _settle(attempt, world, before) == "migration.connection"


@pytest.mark.row(73)
def test_backend_terminated_while_it_works(world: World) -> None:
    world.push(world.commit(ITEMS))
    before = world.picture()
    slow = (
        "op.execute('SELECT pg_sleep(3)') if op.get_bind().exec_driver_sql('SELECT 1 FROM items').first() else None",
    )
    world.sql("INSERT INTO items (name) VALUES ('a')")
    before = world.picture()
    attempt = world.release(world.commit(ITEMS, (slow[0], "pass")))
    name = f"gitops:{attempt.release.id}"
    watcher = os.fork()
    if watcher == 0:
        try:
            with psycopg.connect(world.access.admin_url, autocommit=True) as admin:
                asleep = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{name}' AND query LIKE 'SELECT pg_sleep%'"
                while not (found := admin.execute(asleep.encode()).fetchone()):
                    pass
                admin.execute("SELECT pg_terminate_backend(%s)", found)
        finally:
            os._exit(0)
    assert _settle(attempt, world, before) == "migration.connection"
    os.waitpid(watcher, 0)


@pytest.mark.row(73)
def test_answer_to_commit_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from gitops_cli.adapters.migrations.session import Session

    commit, _ = _up(world)
    before = world.picture()
    attempt = world.release(commit)
    plain = Session.commit

    def lost(session: Session) -> None:
        plain(session)
        if attempt.journal.steps.get("migrate", {}).get("xid"):
            os.killpg(attempt.journal.steps["migrate"]["child"]["group"], signal.SIGKILL)
            plain(session)

    monkeypatch.setattr(Session, "commit", lost)
    assert _settle(attempt, world, before) == "done"
    monkeypatch.undo()
    attempt.undo()
    assert world.picture() == before


@pytest.mark.row(73)
@pytest.mark.parametrize("at", ["child", "xid"])
def test_server_crashes(world: World, at: str) -> None:
    commit, _ = _up(world)
    before = world.picture()
    attempt = world.release(commit)

    def crash(_facts: object) -> None:
        running = server.status(world.home)
        assert running is not None
        os.kill(running.pid, signal.SIGQUIT)
        server.ensure(world.home)

    _tracked(attempt, at, crash)
    assert _settle(attempt, world, before) != "done"
    world.push(commit)
