"""Losses that hide: TRUNCATE that looks like something else."""

from __future__ import annotations

import pytest

from gitops_cli.errors import LossRefused
from tests.migrations.conftest import ITEMS, NOTE, World, sql

IF_ROWS = "DO $$BEGIN IF EXISTS (SELECT FROM items) THEN {} END IF; END$$"
SEEDS = "INSERT INTO items (name) VALUES ('x'), ('y'), ('z')"


@pytest.fixture
def filled(world: World) -> World:
    """Two migrations and three rows."""
    world.push(world.commit(ITEMS, NOTE))
    world.sql("INSERT INTO items (name, note) VALUES ('a', 'one'), ('b', 'two'), ('c', 'three')")
    return world


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
