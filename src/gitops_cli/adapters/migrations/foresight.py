"""What the rehearsal on an empty copy cannot show: real rows. Asked of the live database, read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.migrations import lint, loss, sequences
from gitops_cli.adapters.migrations.inventory import by_table
from gitops_cli.adapters.postgres.connect import asking, connect
from gitops_cli.adapters.text import safe
from gitops_cli.errors import DatabaseFailed

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
    """Refuse before anything has begun what would be refused under the lock.

    Raises `LossRefused`, and `DatabaseFailed` when it cannot be counted.
    """
    if rehearsal.risks:
        counted = list(_counted(job, rehearsal))
        loss.refuse(counted, job.accept, allowed=job.allow_loss, down=job.change.goes_down)


def _counted(job: Job, rehearsal: Rehearsal) -> Iterator[loss.Counted]:
    """Count as the owner: counting runs what he attached to his tables.

    The session has the release's name, so that `alone` waits until it is gone: the role has one connection.
    """
    import psycopg  # noqa: PLC0415 - 90 ms, for releases with a database only

    with connect(
        job.access.migrate_url,
        application_name=job.application_name,
        statement_timeout=job.limits.rehearsal,
        autocommit=True,
    ) as live:
        ask = asking(live)
        live.execute("SET row_security = off")  # what it hides is counted under the lock, which may lift it
        for table, risks in by_table(rehearsal.risks).items():
            try:
                yield from loss.count(ask, risks)
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as error:
                said = safe(error.diag.message_primary or type(error).__name__, 200)
                raise DatabaseFailed(
                    f"the rows of {safe(table)} cannot be counted: {said}", code="migration.count"
                ) from None
        yield from sequences.foreseen(ask, rehearsal.risks)


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
