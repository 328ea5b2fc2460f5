"""What an environment owns never runs as the server's superuser, however it is attached to what gitops reads."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest

from gitops_cli.adapters.migrations import reading
from gitops_cli.errors import GitopsError
from tests.migrations.conftest import ITEMS, NOTE, World, sql

if TYPE_CHECKING:
    from collections.abc import Callable

DROP_NOTE = sql("ALTER TABLE items DROP COLUMN note", "ALTER TABLE items ADD COLUMN note text")
LEAK = """
CREATE FUNCTION public.leak() RETURNS int LANGUAGE plpgsql AS $$BEGIN
  BEGIN EXECUTE 'ALTER ROLE {app} SUPERUSER'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
  RETURN 1; END$$;
CREATE FUNCTION public.hidden(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN
  PERFORM public.leak(); RETURN x; END$$;
CREATE FUNCTION public.fires() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  PERFORM public.leak(); RETURN NEW; END$$;
"""
TRAPS = {
    "a view in the ledger's place": """
        ALTER TABLE gitops.ledger RENAME TO moved;
        CREATE VIEW gitops.ledger AS SELECT id, public.hidden(revision || now()) AS revision, direction, file, blob,
          script, schema_before, schema_after, xid, release, number, actor, at, seconds FROM gitops.moved""",
    "an index of the ledger": "CREATE INDEX i ON gitops.ledger ((revision || public.hidden('x')))",
    "a view in the version's place": """
        ALTER TABLE public.alembic_version RENAME TO moved;
        CREATE VIEW public.alembic_version AS SELECT public.hidden(version_num || now()) FROM public.moved""",
    "an index of the version": "CREATE INDEX i ON public.alembic_version ((version_num || public.hidden('x')))",
    "a trigger on the version": """
        CREATE TRIGGER t BEFORE INSERT OR DELETE ON public.alembic_version
        FOR EACH ROW EXECUTE FUNCTION public.fires()""",
    "a check of the version": """
        ALTER TABLE public.alembic_version ADD CHECK (public.hidden(version_num) IS NOT NULL)""",
    "an index of a counted table": "CREATE INDEX i ON public.items ((name || public.hidden('x')))",
    "a check that copying the schema works out": """
        CREATE FUNCTION public.odd(public.items) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN
          RETURN public.hidden('x'); END$$;
        ALTER TABLE public.items ADD CHECK (public.odd(NULL::public.items) IS NOT NULL)""",
    "the bound of a partition that copying the schema works out": """
        CREATE DOMAIN public.word AS text CHECK (public.hidden(VALUE) IS NOT NULL);
        CREATE TABLE public.parted (w public.word) PARTITION BY LIST (w);
        CREATE TABLE public.part PARTITION OF public.parted FOR VALUES IN ('x')""",
    "the path of the database": """
        CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN
          PERFORM public.leak(); RETURN ''; END$$;
        CREATE FUNCTION public.to_regclass(text) RETURNS regclass LANGUAGE plpgsql AS $$BEGIN
          PERFORM public.leak(); RETURN NULL; END$$;
        ALTER DATABASE {name} SET search_path = public, pg_catalog""",
}
"""Each is done by the app; a migration could do the same."""


@pytest.fixture
def set_trap(world: World) -> Callable[[str], None]:
    """Release two migrations with rows, then become the owner as the app can, and set a trap."""
    world.push(world.commit(ITEMS, NOTE))
    world.sql("INSERT INTO items (name, note) VALUES ('a', 'one')")
    found = world.access

    def as_owner(text: str) -> None:
        with psycopg.connect(found.app_url) as app:
            app.execute("SET search_path = pg_catalog")
            app.execute(f"SET ROLE {found.migrate_role}".encode())
            for part in (LEAK, text):
                app.execute(part.replace("{app}", found.app_role).replace("{name}", found.name).encode())

    return as_owner


@pytest.mark.row(36)
@pytest.mark.parametrize("trap", TRAPS)
def test_no_trap_catches_the_superuser(world: World, set_trap: Callable[[str], None], trap: str) -> None:
    set_trap(TRAPS[trap])
    attempt = world.release(world.commit(ITEMS, NOTE, DROP_NOTE), "accept-loss=items.note")
    for step in (attempt.do, attempt.undo):
        with suppress(GitopsError):  # whether it is refused is another matter
            step()
    assert world.sql(f"SELECT rolsuper FROM pg_roles WHERE rolname = '{world.access.app_role}'") == [(False,)]


@pytest.mark.row(36)
def test_what_is_no_table_any_more_is_said(world: World, set_trap: Callable[[str], None]) -> None:
    set_trap(TRAPS["a view in the ledger's place"])
    with pytest.raises(GitopsError) as refused:
        reading.read(world.access)
    assert refused.value.code == "database.read"
    assert refused.value.cause == 'table gitops.ledger cannot be read: cannot copy from view "ledger"'


@pytest.mark.row(36)
def test_a_ledger_of_other_types_is_said(world: World, set_trap: Callable[[str], None]) -> None:
    set_trap("ALTER TABLE gitops.ledger ALTER number TYPE text USING 'many'")
    with pytest.raises(GitopsError) as refused:
        reading.read(world.access)
    assert refused.value.cause == "gitops.ledger is not the table that gitops made"
