"""What the rehearsal on an empty copy cannot show: real rows. Asked of the live database, read only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.migrations import lint, loss, sequences
from gitops_cli.adapters.postgres.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.rehearsal import Rehearsal

LARGE = 100_000
"""Rows from which a rewrite or a full scan under a strong lock is worth a line."""
_ROWS = """
SELECT format('%I.%I', n.nspname, c.relname), n.nspname || '.' || c.relname, greatest(c.reltuples, 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')
"""


def refuse_loss(job: Job, rehearsal: Rehearsal) -> None:
    """Refuse before anything has begun what would be refused under the lock. Raises `LossRefused`."""
    if not rehearsal.risks:
        return
    name = f"gitops check:{job.release}"
    with connect(job.access.admin_url, application_name=name, statement_timeout=job.limits.rehearsal) as live:

        def ask(query: str, *values: Any) -> list[list[Any]]:
            return [list(row) for row in live.execute(query.encode(), values or None).fetchall()]

        counted = [*loss.count(ask, rehearsal.risks), *sequences.foreseen(ask, rehearsal.risks)]
    loss.refuse(counted, job.accept, allowed=job.allow_loss, down=job.change.goes_down)


def warnings(job: Job, rehearsal: Rehearsal) -> Iterator[str]:
    """Say, a line each, what will be slow or in users' way: the trace times live rows, and the linter."""
    sizes = _sizes(job) if rehearsal.touched else {}
    for touched in rehearsal.touched:
        rows = sizes.get(touched.table, 0)
        if rows >= LARGE and (touched.rewritten or touched.scanned):
            what = "rewrites" if touched.rewritten else "reads all of"
            file = job.files.get(touched.revision, touched.revision)
            lock = touched.lock or "a lock"
            yield f"warning: {file} {what} {touched.table} (about {rows:,} rows) under {lock}"
    yield from lint.lines(job, rehearsal, {name for name, rows in sizes.items() if rows})


def _sizes(job: Job) -> dict[str, int]:
    with connect(job.access.admin_url, application_name=f"gitops check:{job.release}") as live:
        return {str(row[1]): int(row[2]) for row in live.execute(_ROWS.encode())}
