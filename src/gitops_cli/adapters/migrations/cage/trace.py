"""Locks, rewrites and full scans: what a revision did, as the catalogue shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TRACED = 50
"""With more revisions than this only the last one is traced: pg_locks grows with every table."""
LOCKS = """SELECT relation::bigint, array_agg(DISTINCT mode) FROM pg_locks
  WHERE pid = pg_backend_pid() AND granted AND relation = ANY (%s::oid[]) GROUP BY 1"""
FILES = "SELECT oid::bigint, pg_relation_filenode(oid)::bigint FROM pg_class WHERE oid = ANY (%s::oid[])"
SCANS = "SELECT relid::bigint, seq_scan FROM pg_stat_xact_user_tables WHERE relid = ANY (%s::oid[])"


class Trace:
    """Locks, rewrites and full scans of tables that were there before, by revision."""

    def __init__(self, rows: Callable[[str, list[Any]], list[list[Any]]], pre: list[int], count: int) -> None:
        """`pre` are the tables that were there before, `count` the revisions that will run."""
        self._rows, self._pre, self._left = rows, pre, count
        self._every = count <= TRACED
        self._files = self._read(FILES)
        self._scans = self._read(SCANS)
        self._locks: dict[int, Any] = self._read(LOCKS)

    def _read(self, sql: str) -> dict[int, Any]:
        rows = self._rows(sql, [self._pre]) if self._pre else []
        return {row[0]: row[1] for row in rows}

    def after(self) -> dict[str, Any]:
        """Give what the revision that just ran did, and remember it."""
        self._left -= 1
        if not self._pre or not (self._every or not self._left):
            return {}
        files, scans, locks = self._read(FILES), self._read(SCANS), self._read(LOCKS)
        new_locks = {oid: sorted(set(modes) - set(self._locks.get(oid, ()))) for oid, modes in locks.items()}
        found = {
            "locks": [(oid, modes) for oid, modes in new_locks.items() if modes],
            "rewritten": [oid for oid, node in files.items() if self._files.get(oid, node) != node],
            "scanned": [oid for oid, count in scans.items() if count > self._scans.get(oid, 0)],
        }
        self._files, self._scans, self._locks = files, scans, locks
        return found
