"""Losses that hide: rows that the owner does not see, and TRUNCATE that looks like something else."""

from __future__ import annotations

import pytest

from gitops_cli.errors import BadMigration, LossRefused
from tests.migrations.conftest import ITEMS, NOTE, World, sql

DROP_NOTE = sql("ALTER TABLE items DROP COLUMN note", "ALTER TABLE items ADD COLUMN note text")
FORCE = """
ALTER TABLE items ENABLE ROW LEVEL SECURITY; ALTER TABLE items FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON items USING (name = current_setting('app.tenant', true))
"""
UNFORCE = """
DROP POLICY tenant ON items; ALTER TABLE items NO FORCE ROW LEVEL SECURITY;
ALTER TABLE items DISABLE ROW LEVEL SECURITY
"""
MAKE_AGAIN = f"CREATE TABLE items (id serial PRIMARY KEY, name text NOT NULL, note text); {FORCE}"
IF_ROWS = "DO $$BEGIN IF EXISTS (SELECT FROM items) THEN {} END IF; END$$"
SEEDS = "INSERT INTO items (name) VALUES ('x'), ('y'), ('z')"


@pytest.fixture
def filled(world: World) -> World:
    """Two migrations and three rows."""
    world.push(world.commit(ITEMS, NOTE))
    world.sql("INSERT INTO items (name, note) VALUES ('a', 'one'), ('b', 'two'), ('c', 'three')")
    return world


class TestRowsThatTheOwnerDoesNotSee:
    @pytest.mark.parametrize("way", ["a column", "a table"])
    def test_counted_kept_and_put_back(self, filled: World, way: str) -> None:
        forced = (ITEMS, NOTE, sql(FORCE, UNFORCE))
        filled.push(filled.commit(*forced))
        drop = sql("DROP TABLE items", MAKE_AGAIN) if way == "a table" else DROP_NOTE
        commit = filled.commit(*forced, drop)
        before = filled.picture()
        with pytest.raises(LossRefused, match=r"items.* \(3 (value|row)s\)"):
            filled.push(commit)
        assert filled.picture() == before
        attempt = filled.release(commit, "accept-loss")
        attempt.do()
        assert filled.picture()["rows"] != before["rows"]
        attempt.undo()
        assert filled.picture() == before

    def test_refused_where_nobody_can_show_them(self, filled: World) -> None:
        filled.sql(
            FORCE + f"; ALTER TABLE items OWNER TO gitops; GRANT ALL ON items TO {filled.access.migrate_role}"
        )
        filled.sql("DROP POLICY tenant ON items; CREATE POLICY one ON items USING (name = 'a')")
        before = filled.picture()
        with pytest.raises(BadMigration) as refused:
            filled.push(filled.commit(ITEMS, NOTE, sql("DELETE FROM items")), "accept-loss")
        assert refused.value.code == "migration.hidden"
        assert filled.picture() == before


class TestTruncate:
    @pytest.mark.parametrize(
        "up",
        [
            IF_ROWS.format("TRUNCATE items;"),
            "UPDATE items SET note = NULL; TRUNCATE items",
            f"TRUNCATE items; {SEEDS}",
            f"ALTER TABLE items DISABLE TRIGGER ALL; TRUNCATE items; {SEEDS}; ALTER TABLE items ENABLE TRIGGER ALL",
            f"TRUNCATE items; ALTER TABLE items SET UNLOGGED; ALTER TABLE items SET LOGGED; {SEEDS}",
        ],
        ids=["only with rows", "all", "and seeds", "with triggers off", "and a rewrite"],
    )
    def test_refused_kept_and_put_back(self, filled: World, up: str) -> None:
        self._both_ways(filled, sql(up))

    def test_with_a_column_that_is_empty(self, filled: World) -> None:
        filled.sql("UPDATE items SET note = NULL")
        self._both_ways(
            filled, sql("TRUNCATE items; ALTER TABLE items DROP note", "ALTER TABLE items ADD note text")
        )

    def test_cascade_and_partitions(self, filled: World) -> None:
        parts = sql(
            "CREATE TABLE parts (item int REFERENCES items) PARTITION BY LIST (item);"
            " CREATE TABLE part PARTITION OF parts DEFAULT",
            "DROP TABLE parts",
        )
        filled.push(filled.commit(ITEMS, NOTE, parts))
        filled.sql("INSERT INTO parts VALUES (1)")
        before = filled.picture()
        commit = filled.commit(ITEMS, NOTE, parts, sql(f"TRUNCATE items CASCADE; {SEEDS}"))
        with pytest.raises(LossRefused, match=r"items \(3 rows\), part \(1 row\)"):
            filled.push(commit)
        assert filled.picture() == before

    @pytest.mark.parametrize(
        "up",
        [
            "ALTER TABLE items ALTER id TYPE bigint; ALTER TABLE items ALTER id TYPE int",
            IF_ROWS.format("ALTER TABLE items SET UNLOGGED; ALTER TABLE items SET LOGGED;"),
            "ALTER TABLE items ADD COLUMN u uuid DEFAULT gen_random_uuid(); ALTER TABLE items DROP COLUMN u",
        ],
    )
    def test_a_rewrite_is_none(self, filled: World, up: str) -> None:
        before = filled.picture()
        filled.push(filled.commit(ITEMS, NOTE, sql(up)))
        after = filled.picture()
        assert (after["rows"]["public.items"], after["schema"]) == (
            before["rows"]["public.items"],
            before["schema"],
        )

    def test_seeds_into_an_empty_table_pass(self, filled: World) -> None:
        filled.sql("TRUNCATE items")
        filled.push(filled.commit(ITEMS, NOTE, sql(f"TRUNCATE items; {SEEDS}")))
        assert filled.sql("SELECT count(*) FROM items") == [(3,)]

    @staticmethod
    def _both_ways(filled: World, step: tuple[str, str]) -> None:
        before = filled.picture()
        commit = filled.commit(ITEMS, NOTE, step)
        with pytest.raises(LossRefused, match=r"items \(3 rows\)"):
            filled.push(commit)
        assert filled.picture() == before
        attempt = filled.release(commit, "accept-loss=items")
        attempt.do()
        assert filled.picture()["rows"] != before["rows"]
        attempt.undo()
        assert [row[1] for row in filled.sql("SELECT id, name FROM items ORDER BY id")][:3] == ["a", "b", "c"]
