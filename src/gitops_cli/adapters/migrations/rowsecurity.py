"""Seeing every row: FORCE ROW LEVEL SECURITY hides rows from the table's owner too, who counts and copies."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitops_cli.adapters.migrations.problems import PRIVILEGE, MigrationFailed
from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadMigration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitops_cli.adapters.migrations.session import Session

_FORCED = "SELECT 1 FROM pg_class WHERE oid = %s::text::regclass AND relforcerowsecurity"
_DEFERRED = """
SELECT format('%%I.%%I', n.nspname, c.conname) FROM pg_constraint c
JOIN pg_namespace n ON n.oid = c.connamespace
WHERE c.condeferrable AND %s::text::regclass IN (c.conrelid, c.confrelid)
"""


@contextmanager
def suspended(session: Session, tables: Sequence[str]) -> Iterator[None]:
    """Show all rows of these tables (quoted names) in the session's transaction, and end it as it began.

    After an error nothing is put back: the transaction has failed. Nobody else sees the tables meanwhile, as
    ALTER TABLE holds ACCESS EXCLUSIVE. Raises `BadMigration` where rows stay hidden: no number is better than
    a wrong one.
    """
    try:
        forced = [table for table in tables if session.rows(_FORCED, table)]
        for table in forced:
            session.rows(f"ALTER TABLE ONLY {table} NO FORCE ROW LEVEL SECURITY")
        before = session.rows("SELECT current_setting('row_security')")[0][0]
        session.rows("SET LOCAL row_security = off")  # a policy that still applies raises instead of hiding
        yield
        session.rows("SELECT set_config('row_security', %s, true)", before)
        for table in forced:
            for (name,) in session.rows(_DEFERRED, table):  # ALTER TABLE refuses while one is outstanding
                session.rows(f"SET CONSTRAINTS {name} IMMEDIATE")
            session.rows(f"ALTER TABLE ONLY {table} FORCE ROW LEVEL SECURITY")
    except MigrationFailed as failed:
        if failed.problem.state != PRIVILEGE:
            raise
        raise BadMigration(
            f"what would be lost cannot be counted: {safe(failed.problem.text, 200)}",
            code="migration.hidden",
            next_command="let the role that migrates own the table, then push again",
        ) from None
