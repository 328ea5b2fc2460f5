"""What is asked within the transaction of a child: the schema, the revision, who runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.migrations.inventory import QUERY as TABLES
from gitops_cli.adapters.migrations.inventory import inventory
from gitops_cli.adapters.postgres.catalogue import QUERY
from gitops_cli.adapters.postgres.fingerprint import of_rows
from gitops_cli.errors import BadMigration

if TYPE_CHECKING:
    from gitops_cli.adapters.migrations.inventory import Inventory
    from gitops_cli.adapters.migrations.plan import Change
    from gitops_cli.adapters.migrations.session import Ran, Session
    from gitops_cli.adapters.postgres.fingerprint import Fingerprint

VERSION_TABLE = "alembic_version"
_PLACE = (
    "SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relname = %s"
)
_PATH = "SELECT current_setting('search_path'), current_setting('TimeZone')"
_SET = "SELECT set_config('search_path', %s, true), set_config('TimeZone', %s, true)"


def schema(session: Session) -> Fingerprint:
    """Take the fingerprint; sees what the transaction has changed so far."""
    path, zone = session.rows(_PATH)[0]
    query = QUERY.replace(":version_table:", f"'{VERSION_TABLE}'")
    found = session.sql((_SET, ["", "UTC"]), (query, []), (_SET, [path, zone]))[1]
    return of_rows(found)


def tables(session: Session) -> Inventory:
    """List tables and columns."""
    return inventory(session.rows(TABLES))


def heads(session: Session) -> tuple[str, ...]:
    """Read the revision that the database is at."""
    places = session.rows(_PLACE + " AND c.relkind IN ('r', 'p') ORDER BY 1", VERSION_TABLE)
    found: set[str] = set()
    for (place,) in places:
        quoted = '"' + str(place).replace('"', '""') + '"'
        found.update(str(row[0]) for row in session.rows(f"SELECT version_num FROM {quoted}.{VERSION_TABLE}"))  # noqa: S608 - quoted
    return tuple(sorted(found))


def run(session: Session, change: Change, traced: Inventory | None = None) -> list[Ran]:
    """Run a change, leg by leg. Raises `MigrationFailed`, `ChildGone`, `StepTimeout`."""
    done = []
    for tree, moves in change.legs():
        ran = session.run(tree, [(move.direction, move.revision) for move in moves], list(traced or ()))
        if ran.version_table[1] != VERSION_TABLE:
            raise BadMigration(
                f"env.py keeps the version in {ran.version_table[1]}; the table must be alembic_version",
                code="migration.version-table",
            )
        done.append(ran)
    return done
