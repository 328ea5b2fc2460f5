"""What users wrote to the new version before its release failed: copied before it goes, and told."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from gitops_cli.errors import Stuck
from tests.migrations.conftest import ITEMS, NOTE, Attempt, World, sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ORDERS = sql(
    "CREATE TABLE orders (id serial PRIMARY KEY, what text); INSERT INTO orders (what) VALUES ('seed')",
    "DROP TABLE orders",
)
STATE = sql(
    "ALTER TABLE items ADD COLUMN state text NOT NULL DEFAULT 'it''s new', ADD COLUMN note text",
    "ALTER TABLE items DROP COLUMN state, DROP COLUMN note",
)
UPDATED = "note: the migrations or their way back updated rows of items;"


@pytest.fixture
def items(world: World) -> World:
    """Three rows of before."""
    world.push(world.commit(ITEMS))
    world.sql("INSERT INTO items (name) VALUES ('MiXed'), ('b'), ('c')")
    return world


def _done(world: World, *scripts: tuple[str, str]) -> Attempt:
    attempt = world.release(world.commit(ITEMS, *scripts))
    attempt.do()
    return attempt


def _copied(world: World) -> Mapping[str, str]:
    """Give the text of what is kept, by the table's name; the line that says where has been said."""
    files = {path.name[4:]: path.read_text() for path in world.home.kept(world.name).rglob("*.csv")}
    told = [line for line in world.heard.lines if "is kept in" in line]
    folders = {str(path) for path in world.home.kept(world.name).iterdir()} if files else set()
    assert {line.rpartition(" ")[2] for line in told} == folders
    return files


def test_rows_of_a_new_table(items: World) -> None:
    before = items.picture()
    attempt = _done(items, ORDERS)
    items.sql("INSERT INTO orders (what) VALUES ('a coat')")
    attempt.undo()
    assert {**items.picture(), "kept": []} == before
    assert _copied(items) == {"public.orders.csv": "id,what\n2,a coat\n"}
    attempt.undo()
    assert _copied(items) == {"public.orders.csv": "id,what\n2,a coat\n"}


def test_values_of_new_columns(items: World) -> None:
    attempt = _done(items, STATE)
    items.sql("UPDATE items SET state = 'sold' WHERE id = 2; UPDATE items SET note = 'x' WHERE id = 3")
    attempt.undo()
    assert _copied(items) == {"public.items.csv": "id,note,state\n2,,sold\n3,x,it's new\n"}


def test_what_the_migrations_wrote_is_no_loss(items: World) -> None:
    fill = sql("UPDATE items SET note = name", "UPDATE items SET note = NULL")
    attempt = _done(items, ORDERS, STATE, fill)
    attempt.undo()
    assert _copied(items) == {}
    assert items.picture()["kept"] == []


def test_first_release(world: World) -> None:
    attempt = world.release(world.commit(ITEMS, sql("CREATE TABLE tags (id int)")))
    attempt.do()
    world.sql("INSERT INTO items (name) VALUES ('written by the new version')")
    attempt.undo()
    assert _copied(world) == {"public.items.csv": "id,name\n1,written by the new version\n"}


@pytest.mark.parametrize("down", ["DELETE FROM items", "DO $$BEGIN TRUNCATE items; END$$"])
def test_a_way_back_that_deletes(items: World, down: str) -> None:
    """The rehearsal on an empty copy does not see it."""
    attempt = _done(items, sql("SELECT 1", down))
    items.sql("INSERT INTO items (name) VALUES ('d')")
    attempt.undo()
    assert _copied(items) == {"public.items.csv": "id,name\n1,MiXed\n2,b\n3,c\n4,d\n"}
    assert items.sql("SELECT count(*) FROM items") == [(0,)]


def test_updates_that_stay_are_named(items: World) -> None:
    attempt = _done(items, sql("UPDATE items SET name = lower(name)"))
    attempt.undo()
    assert any(line.startswith(UPDATED) for line in items.heard.lines)


def test_updates_of_the_way_back_are_named(items: World) -> None:
    attempt = _done(items, sql("SELECT 1", "UPDATE items SET name = upper(name)"))
    attempt.undo()
    assert any(line.startswith(UPDATED) for line in items.heard.lines)


def test_nothing_is_said_when_nothing_was_written(items: World) -> None:
    attempt = _done(items, NOTE)
    attempt.undo()
    assert items.heard.lines == []


def _undo_and_die(attempt: Attempt, journal: Path, point: int) -> bool:
    """Undo in a process that is killed when it has written its n-th note; False: it came to its end."""
    pid = os.fork()
    if pid == 0:
        left = point

        def noted(_facts: object) -> None:
            nonlocal left
            journal.write_text(json.dumps(attempt.journal.steps))
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        attempt.journal.on_note = noted
        try:
            attempt.undo()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def test_killed_at_every_note_of_the_undo(items: World, tmp_path: Path) -> None:
    attempt = _done(items, ORDERS, sql("UPDATE items SET name = lower(name)"))
    items.sql("INSERT INTO orders (what) VALUES ('a coat')")
    journal, point = tmp_path / "journal.json", 1
    while _undo_and_die(attempt, journal, point):
        attempt.journal.steps, point = json.loads(journal.read_text()), point + 1
    assert point > 3
    attempt.journal.steps = json.loads(journal.read_text())
    attempt.undo()  # killed after the COMMIT, before a word was said
    assert _copied(items) == {"public.orders.csv": "id,what\n2,a coat\n"}
    assert any(line.startswith(UPDATED) for line in items.heard.lines)


def test_a_copy_of_a_try_that_failed_goes(items: World) -> None:
    attempt = _done(items, ORDERS)
    items.sql("INSERT INTO orders (what) VALUES ('a coat'); CREATE TABLE by_hand (id int)")
    with pytest.raises(Stuck, match="by_hand"):
        attempt.undo()
    items.sql("DROP TABLE by_hand; DELETE FROM orders WHERE what = 'a coat'")
    attempt.undo()
    assert _copied(items) == {}
