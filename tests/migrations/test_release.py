"""Up, down, back: what a release does to a database, and what is left when it is taken back."""

from __future__ import annotations

import pytest

from gitops_cli.config.remote import Policy
from gitops_cli.errors import BadMigration, LossRefused, PolicyRefused, Stuck
from tests.migrations.conftest import ITEMS, NOTE, World, sql

FEW = "INSERT INTO items (name) VALUES ('a'), ('b'), ('c')"


def test_first_release_and_next(world: World) -> None:
    assert world.push(world.commit(ITEMS)) == [
        "1 migration up, rehearsed on an empty database",
        "1 migration up, now at 0001",
    ]
    world.sql(FEW)
    assert world.push(world.commit(ITEMS, NOTE))[0] == "1 migration up, there, back and there again"
    assert world.sql("SELECT name, note FROM items ORDER BY id") == [("a", None), ("b", None), ("c", None)]
    assert world.sql("SELECT revision, direction, number FROM gitops.ledger ORDER BY id") == [
        ("0001", "up", 1),
        ("0002", "up", 2),
    ]
    assert "CREATE TABLE items" in world.sql("SELECT script FROM gitops.ledger ORDER BY id")[0][0]


def test_nothing_to_migrate_starts_no_child(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.push(world.commit(ITEMS))
    monkeypatch.setattr("gitops_cli.adapters.migrations.runtime.start", None)
    attempt = world.release(world.commit(ITEMS, files={"app.py": "print()\n"}))
    assert attempt.do() == ["nothing to migrate", "nothing to migrate"]
    assert "child" not in str(attempt.journal.steps)


def test_undo_of_the_first_release_empties_the_database(world: World) -> None:
    odd = sql(
        "CREATE TYPE mood AS ENUM ('x'); CREATE SCHEMA other; CREATE TABLE other.t (m mood);"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW v AS SELECT 1 AS one"
    )
    before = world.picture()
    attempt = world.release(world.commit(ITEMS, odd))
    attempt.do()
    world.sql("INSERT INTO items (name) VALUES ('written by the new version')")
    attempt.undo()
    assert {**world.picture(), "kept": []} == before
    attempt.undo()
    assert {**world.picture(), "kept": []} == before


def test_undo_of_the_first_release_keeps_what_the_operator_had_prepared(world: World) -> None:
    """Extensions need a superuser, and schemas belong to somebody: both stand there before the first push."""
    world.sql("CREATE EXTENSION pg_trgm; CREATE SCHEMA app")
    world.sql(f"ALTER SCHEMA app OWNER TO {world.access.name}_migrate")
    before = world.picture()
    up = "op.execute('create table app.items (id int)'); op.execute('create schema mine'); op.execute('create table t (a text)')"
    attempt = world.release(world.commit((up, "pass")))
    attempt.do()
    assert world.picture()["schema"] != before["schema"]
    attempt.undo()
    assert world.picture() == before


def test_the_way_back_is_rehearsed_in_a_session_of_its_own(world: World) -> None:
    """As the real one is: no temporary table and no setting of the way there."""
    first = (
        "op.execute('create schema app'); op.execute('create table app.docs (a int)')",
        "op.execute('drop schema app cascade')",
    )
    world.push(world.commit(first))
    copies = (
        "op.execute('create temp table old as select * from app.docs'); op.execute('alter table app.docs add b int')",
        "op.execute('alter table app.docs drop b')",
    )
    world.push(world.commit(first, copies))
    leans = (
        "op.execute('set search_path to app, public'); op.execute('alter table docs add c int')",
        "op.execute('alter table docs drop c')",
    )
    with pytest.raises(BadMigration, match=r'there is no way back: .*relation "docs" does not exist'):
        world.push(world.commit(first, copies, leans))


def test_rows_of_an_orm_session_that_commits_are_there(world: World) -> None:
    """A Session on the migration's connection ends no transaction of it."""
    up = (
        "op.execute('create table items (id int primary key, name text)')\n"
        "from sqlalchemy import orm, text\n"
        "session = orm.Session(bind=op.get_bind())\n"
        "session.execute(text(\"insert into items values (1, 'seed')\"))\n"
        "session.commit()"
    )
    world.push(world.commit((up, "op.drop_table('items')")))
    assert world.sql("SELECT name FROM items") == [("seed",)]


def test_undo_takes_the_migrations_back(world: World) -> None:
    world.push(world.commit(ITEMS))
    world.sql(FEW)
    before = world.picture()
    tags = sql("CREATE TABLE tags (id int)", "DROP TABLE tags")
    attempt = world.release(world.commit(ITEMS, NOTE, tags))
    attempt.do()
    world.sql("UPDATE items SET note = 'new'")
    attempt.undo()
    assert {**world.picture(), "kept": []} == before
    attempt.undo()
    assert {**world.picture(), "kept": []} == before


def test_undo_is_stuck_when_somebody_changed_the_schema(world: World) -> None:
    world.push(world.commit(ITEMS))
    attempt = world.release(world.commit(ITEMS, NOTE))
    attempt.do()
    world.sql("CREATE TABLE by_hand (id int)")
    with pytest.raises(Stuck, match=r"relation public\.by_hand: added"):
        attempt.undo()
    world.sql("DROP TABLE by_hand")
    attempt.undo()
    assert world.sql("SELECT version_num FROM alembic_version") == [("0001",)]


class TestGoingBack:
    @pytest.fixture
    def forward(self, world: World) -> World:
        self.old = world.commit(ITEMS)
        world.push(self.old)
        world.sql(FEW)
        world.push(world.commit(ITEMS, NOTE))
        return world

    def test_without_loss(self, forward: World) -> None:
        before = forward.sql("SELECT id, name FROM items ORDER BY id")
        assert forward.push(self.old) == [
            "1 migration down, back, there and back again",
            "1 migration down, now at 0001",
        ]
        assert forward.sql("SELECT * FROM items ORDER BY id") == before

    def test_loss_is_refused_by_name(self, forward: World) -> None:
        forward.sql("UPDATE items SET note = 'kept' WHERE id < 3")
        before = forward.picture()
        with pytest.raises(LossRefused) as refused:
            forward.push(self.old)
        assert refused.value.cause == "going back would lose items.note (2 values)"
        assert refused.value.next_command == "push again with -o accept-loss=items.note"
        assert forward.picture() == before

    @pytest.mark.parametrize("option", ["accept-loss", "accept-loss=items.note", "accept-loss=items"])
    def test_accepted_loss_is_kept(self, forward: World, option: str) -> None:
        forward.sql("UPDATE items SET note = 'kept' WHERE id < 3")
        forward.push(self.old, option)
        (line,) = [line for line in forward.heard.lines if "is kept in" in line]
        (file,) = forward.home.kept(forward.name).rglob("*.csv")
        assert str(file.parent) in line
        assert file.read_text() == "id,note\n1,kept\n2,kept\n"

    def test_accepting_something_else_does_not_help(self, forward: World) -> None:
        forward.sql("UPDATE items SET note = 'kept'")
        with pytest.raises(LossRefused):
            forward.push(self.old, "accept-loss=items.name")

    def test_policy_may_forbid_it(self, forward: World) -> None:
        forward.sql("UPDATE items SET note = 'kept'")
        forward.policy = Policy(accept_loss=False)
        with pytest.raises(PolicyRefused):
            forward.push(self.old, "accept-loss")

    def test_undo_puts_the_rows_back(self, forward: World) -> None:
        forward.sql(
            "UPDATE items SET note = '' WHERE id = 1; UPDATE items SET note = E'b\\n\"x\"' WHERE id = 2"
        )
        before = forward.picture()
        attempt = forward.release(self.old, "accept-loss")
        attempt.do()
        assert forward.picture() != before
        attempt.undo()
        assert forward.picture()["schema"] == before["schema"]
        assert forward.picture()["rows"] == before["rows"]
        assert forward.picture()["kept"] == before["kept"]
        attempt.undo()
        assert forward.picture()["rows"] == before["rows"]

    def test_rows_without_a_key_are_found_again(self, forward: World) -> None:
        forward.sql("ALTER TABLE items DROP CONSTRAINT items_pkey; UPDATE items SET note = name")
        before = forward.picture()
        attempt = forward.release(self.old, "accept-loss")
        attempt.do()
        attempt.undo()
        assert forward.picture()["rows"] == before["rows"]


def test_dropped_tables_come_back_with_rows_and_sequences(world: World) -> None:
    two = sql(
        "CREATE TABLE child (id serial PRIMARY KEY); CREATE TABLE a_part (id bigint GENERATED ALWAYS AS IDENTITY,"
        " child int REFERENCES child, twice int GENERATED ALWAYS AS (child * 2) STORED)",
        "DROP TABLE a_part; DROP TABLE child",
    )
    old = world.commit(ITEMS)
    world.push(old)
    world.push(world.commit(ITEMS, two))
    world.sql(
        "INSERT INTO child SELECT FROM generate_series(1, 5); INSERT INTO a_part (child) VALUES (3), (4)"
    )
    before = world.picture()
    with pytest.raises(LossRefused, match=r"a_part \(2 rows\), child \(5 rows\)"):
        world.push(old)
    assert world.picture() == before
    attempt = world.release(old, "accept-loss=child", "accept-loss=a_part")
    attempt.do()
    attempt.undo()
    assert world.picture()["rows"] == before["rows"]
    assert world.sql("INSERT INTO child DEFAULT VALUES RETURNING id") == [(6,)]
    assert world.sql("INSERT INTO a_part (child) VALUES (1) RETURNING id") == [(3,)]


class TestDestructiveUps:
    DROP = sql("ALTER TABLE items DROP COLUMN note", "ALTER TABLE items ADD COLUMN note text")

    @pytest.fixture
    def filled(self, world: World) -> World:
        world.push(world.commit(ITEMS, NOTE))
        world.sql(FEW)
        world.sql("UPDATE items SET note = name")
        return world

    def test_refused(self, filled: World) -> None:
        before = filled.picture()
        with pytest.raises(LossRefused, match=r"it would destroy items\.note \(3 values\)"):
            filled.push(filled.commit(ITEMS, NOTE, self.DROP))
        assert filled.picture() == before

    def test_empty_column_may_go(self, filled: World) -> None:
        filled.sql("UPDATE items SET note = NULL")
        filled.push(filled.commit(ITEMS, NOTE, self.DROP))

    def test_accepted_and_taken_back(self, filled: World) -> None:
        before = filled.picture()
        attempt = filled.release(filled.commit(ITEMS, NOTE, self.DROP), "accept-loss=items.note")
        attempt.do()
        attempt.undo()
        assert filled.picture() == before

    @pytest.mark.parametrize(
        "up", ["DELETE FROM items WHERE id > 1", "TRUNCATE items", "DO $$BEGIN TRUNCATE items; END$$"]
    )
    def test_deleted_rows(self, filled: World, up: str) -> None:
        before = filled.picture()
        commit = filled.commit(ITEMS, NOTE, sql(up))
        with pytest.raises(LossRefused, match="items"):
            filled.push(commit)
        assert filled.picture() == before
        attempt = filled.release(commit, "accept-loss=items")
        attempt.do()
        attempt.undo()
        assert filled.picture() == before

    def test_narrowed_type(self, filled: World) -> None:
        narrow = sql(
            "ALTER TABLE items ALTER note TYPE varchar(1) USING left(note, 1)",
            "ALTER TABLE items ALTER note TYPE text",
        )
        filled.sql("UPDATE items SET note = 'long'")
        before = filled.picture()
        commit = filled.commit(ITEMS, NOTE, narrow)
        with pytest.raises(LossRefused, match=r"items\.note"):
            filled.push(commit)
        attempt = filled.release(commit, "accept-loss")
        attempt.do()
        assert filled.sql("SELECT DISTINCT note FROM items") == [("l",)]
        attempt.undo()
        assert filled.picture() == before

    def test_widened_type_and_backfill_are_no_loss(self, filled: World) -> None:
        wide = sql(
            "ALTER TABLE items ALTER id TYPE bigint; UPDATE items SET note = 'filled'",
            "ALTER TABLE items ALTER id TYPE integer",
        )
        filled.push(filled.commit(ITEMS, NOTE, wide))


def test_going_down_may_not_change_rows_unsaid(world: World) -> None:
    moves = sql("UPDATE items SET name = upper(name)", "UPDATE items SET name = 'gone'")
    old = world.commit(ITEMS)
    world.push(old)
    world.sql(FEW)
    world.push(world.commit(ITEMS, moves))
    before = world.picture()
    with pytest.raises(LossRefused, match=r"items \(3 rows\)"):
        world.push(old)
    assert world.picture() == before
    attempt = world.release(old, "accept-loss=items")
    attempt.do()
    assert world.sql("SELECT DISTINCT name FROM items") == [("gone",)]
    attempt.undo()
    assert world.picture()["rows"] == before["rows"]


def test_away_from_one_branch_and_onto_another(world: World) -> None:
    tags = sql("CREATE TABLE tags (id int)", "DROP TABLE tags")
    world.push(world.commit(ITEMS, NOTE))
    before = world.picture()
    other = {"db/versions/0002_other.py": _renamed(tags)}
    commit = world.commit(ITEMS, files=other)
    attempt = world.release(commit)
    assert attempt.do()[0].startswith("1 migration down, 1 migration up")
    assert world.sql("SELECT version_num FROM alembic_version") == [("0002b",)]
    attempt.undo()
    assert world.picture()["rows"] == before["rows"]
    world.push(commit)
    assert world.sql("SELECT to_regclass('tags')::text") == [("tags",)]


def _renamed(script: tuple[str, str]) -> str:
    from tests.migrations.conftest import revision

    return revision(2, *script).replace('revision = "0002"', 'revision = "0002b"')


def test_adopting_a_database_that_alembic_migrated(world: World) -> None:
    world.sql(
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
        "INSERT INTO alembic_version VALUES ('0001'); CREATE TABLE items (id serial PRIMARY KEY, name text NOT NULL);"
        f"INSERT INTO items (name) VALUES ('old'); ALTER TABLE items OWNER TO {world.access.migrate_role};"
        f"ALTER TABLE alembic_version OWNER TO {world.access.migrate_role}"
    )
    before = world.picture()
    attempt = world.release(world.commit(ITEMS, NOTE))
    assert attempt.do()[0] == "1 migration up, there, back and there again"
    attempt.undo()
    assert world.picture() == before
    world.push(world.commit(ITEMS, NOTE))
    assert world.sql("SELECT name, note FROM items") == [("old", None)]


@pytest.mark.row(76)
def test_a_revision_that_nobody_knows(world: World) -> None:
    world.push(world.commit(ITEMS))
    world.sql("UPDATE alembic_version SET version_num = 'ffff'")
    with pytest.raises(BadMigration, match="at revision ffff, which neither") as refused:
        world.push(world.commit(ITEMS, NOTE))
    assert refused.value.code == "migration.unknown"


@pytest.mark.row(36)
def test_edited_after_it_was_applied(world: World) -> None:
    world.push(world.commit(ITEMS, NOTE))
    before = world.picture()
    with pytest.raises(BadMigration, match="migration 0001 was edited after it was applied"):
        world.push(world.commit(sql("CREATE TABLE other (id int)", "DROP TABLE other"), NOTE))
    assert world.picture() == before


def test_drift_is_shown(world: World) -> None:
    world.push(world.commit(ITEMS))
    world.sql("CREATE INDEX by_hand ON items (name)")
    world.push(world.commit(ITEMS, NOTE))
    assert any("release 1 left: index public.by_hand: added" in line for line in world.heard.lines)


@pytest.mark.row(74)
def test_invalid_index_is_named(world: World) -> None:
    world.push(world.commit(ITEMS))
    world.sql("INSERT INTO items (name) VALUES ('x'), ('x')")
    with pytest.raises(Exception, match="could not create unique index"):
        world.sql("CREATE UNIQUE INDEX CONCURRENTLY twice ON items (name)")
    world.release(world.commit(ITEMS, NOTE)).do()
    assert any("index public.twice is invalid" in line for line in world.heard.lines)
