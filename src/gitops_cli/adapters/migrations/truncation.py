"""TRUNCATE, told from a rewrite: both give a table a new file, and neither counts as a delete.

The number of rows cannot tell them apart, as seeds may follow. A trigger can: it fires for TRUNCATE, also by
CASCADE and of a partition, and for nothing else. It lives in the migrations' own transaction only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitops_cli.adapters.migrations.session import Session

_NAME = "_gitops_truncated"
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION pg_temp.{_NAME}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  PERFORM pg_catalog.set_config('gitops.truncated',
    pg_catalog.concat(pg_catalog.current_setting('gitops.truncated', true), ' ', TG_RELID), true);
  RETURN NULL; END$$
"""
"""A setting: a migration may SET ROLE to one that writes no table of ours. A ROLLBACK undoes it likewise."""
_MAY = "SELECT pg_has_role(relowner, 'USAGE'), oid::regclass::text FROM pg_class WHERE oid = %s::oid"
_LEFT = """
SELECT tgrelid::bigint, tgrelid::regclass::text, tgenabled = 'A' FROM pg_trigger
WHERE tgname = %s AND NOT tgisinternal AND tgfoid = to_regprocedure(%s)
"""
_TOLD = "SELECT coalesce(current_setting('gitops.truncated', true), '')"


def watch(session: Session, tables: Iterable[int]) -> None:
    """Begin to watch tables, by oid. They are locked against writers."""
    session.rows(_FUNCTION)
    for oid in tables:
        may, name = session.rows(_MAY, oid)[0]
        if may:  # only the owner can rewrite: for anybody else a new file is TRUNCATE
            session.rows(
                f"CREATE TRIGGER {_NAME} BEFORE TRUNCATE ON {name}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.{_NAME}()"
            )
            session.rows(f"ALTER TABLE ONLY {name} ENABLE ALWAYS TRIGGER {_NAME}")


def untouched(session: Session) -> set[int]:
    """End watching; give the oids of the tables that certainly were not emptied.

    A trigger that is gone or was switched off, even for a moment (DISABLE TRIGGER ALL), tells nothing.
    """
    told = {int(oid) for oid in str(session.rows(_TOLD)[0][0]).split()}
    found = set()
    for oid, name, always in session.rows(_LEFT, _NAME, f"pg_temp.{_NAME}()"):
        session.rows(f"DROP TRIGGER {_NAME} ON {name}")
        if always and oid not in told:
            found.add(int(oid))
    return found
