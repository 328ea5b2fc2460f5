"""Up, down, back: what a release does to a database, and what is left when it is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migrations.conftest import ITEMS, NOTE

if TYPE_CHECKING:
    from tests.migrations.conftest import World


def test_first_release_and_next(world: World) -> None:
    assert world.push(world.commit(ITEMS)) == [
        "1 migration up, rehearsed on an empty database",
        "1 migration up, now at 0001",
    ]
    world.sql("INSERT INTO items (name) VALUES ('a'), ('b')")
    assert world.push(world.commit(ITEMS, NOTE))[0] == "1 migration up, there, back and there again"
    assert world.sql("SELECT name, note FROM items ORDER BY id") == [("a", None), ("b", None)]
    assert world.sql("SELECT revision, direction, number FROM gitops.ledger ORDER BY id") == [
        ("0001", "up", 1),
        ("0002", "up", 2),
    ]
