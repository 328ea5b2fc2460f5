"""Who holds the locks that a migration waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.text import safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

_MOST = 5
_HOLDERS = """
SELECT a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8,
       array_agg(DISTINCT format('%%s on %%I.%%I', l.mode, n.nspname, c.relname)
                 ORDER BY format('%%s on %%I.%%I', l.mode, n.nspname, c.relname))
FROM pg_stat_activity a
JOIN pg_locks l ON l.pid = a.pid AND l.granted AND l.locktype = 'relation'
JOIN pg_class c ON c.oid = l.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.datname = current_database()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND a.pid <> pg_backend_pid() AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
  AND (%(waiting)s::int IS NULL OR a.pid = ANY (pg_blocking_pids(%(waiting)s::int)))
  AND a.application_name <> %(without)s
GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start
ORDER BY a.xact_start NULLS LAST, a.pid
"""


def blockers(
    connection: psycopg.Connection[Any],
    *,
    waiting: int | None = None,
    without: str = "",
    tables: Sequence[str] = (),
) -> tuple[str, ...]:
    """Say, a line each, which sessions hold locks on this database's tables, the oldest first.

    While the migration still waits, `waiting` (its backend's pid) names exactly who is in its way; after a
    lock timeout it waits no more, so all holders are told.
    Ask as superuser: others see no foreign state. `without` leaves out an application name of ours,
    `tables` (`schema.name`) keeps only holders of those. No query text: it may hold values.
    """
    rows = connection.execute(_HOLDERS, {"waiting": waiting, "without": without}).fetchall()
    lines = []
    for pid, user, application, state, seconds, locks in rows:
        held = [lock for lock in locks if not tables or lock.partition(" on ")[2] in tables]
        if held:
            who = f"backend {pid} ({safe(application, 63) or 'no application name'}, user {safe(user, 63)})"
            what = ", ".join(safe(lock, 120) for lock in held[:_MOST])
            since = f"{safe(state, 40)} for {seconds:.0f} s" if state else "state not shown to us"
            lines.append(f"{who}, {since}, holds {what}")
    return tuple(lines)
