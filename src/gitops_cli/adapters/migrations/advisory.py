"""One migration at a time, also from another machine: a session lock that is polled, never waited for.

A waiter inside `pg_advisory_lock` holds a snapshot that CREATE INDEX CONCURRENTLY waits for: a deadlock,
or a silent hang (facts, C6). So every try is a statement of its own.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters import clock
from gitops_cli.adapters.text import safe
from gitops_cli.errors import DatabaseFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

KEY = 0x6769746F7073
"""`gitops` in ASCII; advisory locks belong to one database, so one number serves for all."""
_POLL = 0.1
_HOLDER = """
SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = (%(key)s >> 32)::oid
  AND l.objid = (%(key)s & 4294967295)::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
LIMIT 1
"""


@contextmanager
def migrating(admin: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Hold the lock on an autocommit connection. Raises `DatabaseFailed` that says who has it."""
    deadline = clock.monotonic() + seconds
    while not _try(admin):
        if clock.monotonic() > deadline:
            raise DatabaseFailed(
                f"another migration of this database runs: {_holder(admin)}",
                code="migration.lock",
                next_command="wait for it, then push again",
            )
        clock.pause(_POLL)
    try:
        yield
    finally:
        with suppress(Exception):  # a lost connection has lost the lock too
            admin.execute("SELECT pg_advisory_unlock(%s)", (KEY,))


def held(admin: psycopg.Connection[Any]) -> bool:
    """Say whether this session still has the lock."""
    row = admin.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
    ).fetchone()
    return bool(row and row[0])


def _try(admin: psycopg.Connection[Any]) -> bool:
    row = admin.execute("SELECT pg_try_advisory_lock(%s)", (KEY,)).fetchone()
    return bool(row and row[0])


def _holder(admin: psycopg.Connection[Any]) -> str:
    row = admin.execute(_HOLDER, {"key": KEY}).fetchone()
    return f"{safe(str(row[1]), 80)} (backend {row[0]})" if row else "it has just ended"
