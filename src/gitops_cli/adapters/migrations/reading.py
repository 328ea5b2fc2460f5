"""Where the database is, asked from outside, and how it gets to where a tree wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters.migrations import ledger
from gitops_cli.adapters.postgres import owned
from gitops_cli.adapters.postgres.connect import connect, end_backends
from gitops_cli.adapters.text import safe
from gitops_cli.config.history import follow
from gitops_cli.errors import BadMigration

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from gitops_cli.adapters.postgres.access import Access
    from gitops_cli.config.history import History, Path

_INVALID = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_' ORDER BY 1
"""
_VERSIONS = """
SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'alembic_version' AND c.relkind IN ('r', 'p') ORDER BY 1
"""


class State(msgspec.Struct, frozen=True):
    """Where a database is."""

    heads: tuple[str, ...] = ()
    """What `alembic_version` says."""
    ledger: ledger.Ledger = ledger.Ledger()
    invalid_indexes: tuple[str, ...] = ()


def read(access: Access, release: str = "") -> State:
    """Ask, after ending the sessions of this release that a crash may have left.

    Raises `Unavailable`, and `DatabaseFailed` where one of the two tables is not what it was made as.
    """
    with connect(access.admin_url, application_name="gitops status", autocommit=True) as admin:
        if release:
            end_backends(admin, f"gitops:{release}")
        invalid = tuple(str(row[0]) for row in admin.execute(_INVALID.encode()))
        return State(heads(admin), ledger.read(admin), invalid)


def heads(admin: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Read `alembic_version`, wherever it is."""
    found: set[str] = set()
    for (schema,) in admin.execute(_VERSIONS.encode()).fetchall():
        found.update(str(row[0]) for row in owned.rows(admin, schema, "alembic_version", ["version_num"]))
    return tuple(sorted(found))


def path(new: History, live: History, state: State) -> Path:
    """Say how the database gets to the new history: `live` is the one of the live commit.

    Raises `BadMigration` for a revision that neither knows, for an applied file that was edited, and for a
    history that cannot follow.
    """
    return follow(new, applied(new, live, state))


def applied(new: History, live: History, state: State) -> tuple[tuple[str, str], ...]:
    """List what is applied, oldest first, with the identity that the ledger, else the live tree, has."""
    if not state.heads:
        return ()
    known = next((history for history in (live, new) if all(map(history.get, state.heads))), None)
    if known is None:
        raise BadMigration(
            f"the database is at revision {safe(', '.join(state.heads), 80)}, "
            "which neither the pushed nor the live commit has",
            code="migration.unknown",
            next_command="push the commit that has it",
        )
    below = _ancestors(known, state.heads)
    entries = state.ledger.entries
    return tuple(
        (found.id, entries[found.id].blob if _is_up(entries, found.id) else _identity(found.id, live))
        for found in known.revisions
        if found.id in below
    )


def _is_up(entries: dict[str, ledger.Entry], name: str) -> bool:
    return name in entries and entries[name].direction == "up"


def _identity(name: str, live: History) -> str:
    found = live.get(name)
    return found.identity if found else ""


def _ancestors(history: History, names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        revision = history.get(name)
        if revision is not None and name not in found:
            found.add(name)
            todo += revision.downs
            todo += revision.depends_on
    return found
