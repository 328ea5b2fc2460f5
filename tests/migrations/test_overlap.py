"""What the version before cannot bear, where its pods serve beside the new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitops_cli.errors import BadMigration
from tests.migrations.conftest import ITEMS, NOTE, sql

if TYPE_CHECKING:
    from tests.migrations.conftest import World

WEB = "Deployment web"
BREAKS = {
    "dropped column": (
        sql("ALTER TABLE items DROP COLUMN note", "ALTER TABLE items ADD COLUMN note text"),
        "items.note is dropped",
    ),
    "renamed column": (
        sql(
            "ALTER TABLE items RENAME COLUMN note TO remark", "ALTER TABLE items RENAME COLUMN remark TO note"
        ),
        "items.note is renamed to remark",
    ),
    "new NOT NULL": (
        sql("ALTER TABLE items ALTER note SET NOT NULL", "ALTER TABLE items ALTER note DROP NOT NULL"),
        "items.note becomes NOT NULL",
    ),
    "required column": (
        sql("ALTER TABLE items ADD COLUMN size int NOT NULL", "ALTER TABLE items DROP COLUMN size"),
        "items.size is new, NOT NULL and without a default",
    ),
    "other type": (
        sql(
            "ALTER TABLE items ALTER note TYPE int USING 0", "ALTER TABLE items ALTER note TYPE text USING ''"
        ),
        "items.note becomes integer",
    ),
    "renamed table": (
        sql("ALTER TABLE items RENAME TO things", "ALTER TABLE things RENAME TO items"),
        "items is renamed to things",
    ),
}
BEARABLE = {
    "new column": sql("ALTER TABLE items ADD COLUMN size int", "ALTER TABLE items DROP COLUMN size"),
    "with default": sql(
        "ALTER TABLE items ADD COLUMN size int NOT NULL DEFAULT 0", "ALTER TABLE items DROP COLUMN size"
    ),
    "identity": sql(
        "ALTER TABLE items ADD COLUMN size int NOT NULL GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE items DROP COLUMN size",
    ),
    "generated": sql(
        "ALTER TABLE items ADD COLUMN size int NOT NULL GENERATED ALWAYS AS (1) STORED",
        "ALTER TABLE items DROP COLUMN size",
    ),
    "wider type": sql("ALTER TABLE items ALTER name TYPE text", "ALTER TABLE items ALTER name TYPE text"),
    "new table": sql("CREATE TABLE more (id int NOT NULL)", "DROP TABLE more"),
    "index": sql("CREATE INDEX found ON items (name)", "DROP INDEX found"),
}


@pytest.fixture
def live(world: World) -> World:
    """A released version whose pods roll."""
    world.push(world.commit(ITEMS, NOTE))
    world.target.rolling = (WEB,)
    return world


@pytest.mark.parametrize("name", BREAKS)
def test_refused_with_file_and_way_out(live: World, name: str) -> None:
    script, what = BREAKS[name]
    before = live.picture()
    with pytest.raises(BadMigration) as refused:
        live.push(live.commit(ITEMS, NOTE, script), "accept-loss")
    error = refused.value
    assert error.code == "migration.overlap"
    assert f"{what} (db/versions/0003_step.py)" in error.cause
    assert WEB in error.cause
    assert error.file == "db/versions/0003_step.py"
    assert error.next_command.endswith("or push again with -o expect-downtime")
    assert live.picture() == before


@pytest.mark.parametrize("name", BREAKS)
def test_where_nothing_rolls_nothing_is_refused(live: World, name: str) -> None:
    live.target.rolling = ()
    live.push(live.commit(ITEMS, NOTE, BREAKS[name][0]), "accept-loss")


def test_downtime_that_is_expected_is_said(live: World) -> None:
    script, what = BREAKS["dropped column"]
    live.push(live.commit(ITEMS, NOTE, script), "accept-loss", "expect-downtime")
    assert any(what in line and WEB in line for line in live.heard.lines)


@pytest.mark.parametrize("name", BEARABLE)
def test_bearable(live: World, name: str) -> None:
    live.push(live.commit(ITEMS, NOTE, BEARABLE[name]))


def test_a_rollback_that_drops_a_column_names_its_command(live: World) -> None:
    live.target.rolling = ()
    new = live.commit(ITEMS, NOTE, BEARABLE["new column"])
    live.push(new)
    live.target.rolling = (WEB,)
    back = live.commit(ITEMS, NOTE)
    with pytest.raises(BadMigration, match=r"items\.size is dropped") as refused:
        live.push(back)
    assert refused.value.next_command.endswith("or roll back again with -o expect-downtime")
    live.push(back, "expect-downtime")


def test_what_comes_and_goes_in_one_push_is_nobodys(live: World) -> None:
    live.push(
        live.commit(
            ITEMS,
            NOTE,
            sql("ALTER TABLE items ADD COLUMN size int NOT NULL", "ALTER TABLE items DROP COLUMN size"),
            sql("ALTER TABLE items DROP COLUMN size", "ALTER TABLE items ADD COLUMN size int NOT NULL"),
        )
    )


def test_of_several_the_one_that_does_it_is_named(live: World) -> None:
    script, what = BREAKS["renamed column"]
    with pytest.raises(BadMigration) as refused:
        live.push(live.commit(ITEMS, NOTE, BEARABLE["new column"], script, BEARABLE["index"]))
    assert f"{what} (db/versions/0004_step.py)" in refused.value.cause
