"""Rehearse: every new migration on a scratch copy, there, back and there again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.errors import BadMigration
from gitops_cli.steps import database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.rehearsal import Rehearsal
    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.steps.context import Context


class Rehearse:
    """Changes nothing but a scratch database, which is gone afterwards.

    What it found stands in its record (`change`, `found`), so that `migrate` holds the real run against it.
    """

    name = "rehearse"

    def __init__(self, context: Context) -> None:
        """Keep the surroundings."""
        self._context = context

    def plan(self, release: Release) -> Sequence[str]:
        """Name the migrations that would run."""
        if not database.has_migrations(self._context, release):
            return []
        change, _ = database.pending(self._context, release, database.access_of(self._context, release))
        return [f"{move.direction} {move.revision} ({move.file})" for move in change.moves]

    def do(self, release: Release, record: Record) -> str:
        """Rehearse what is pending; refuse what the real rows could not survive. Raises `GitopsError`."""
        context = self._context
        if not database.has_migrations(context, release):
            return database.NOTHING
        found = database.access_of(context, release)
        change, ledger = database.pending(context, release, found)
        if not change.moves:
            return database.NOTHING
        from gitops_cli.adapters.migrations import foresight  # noqa: PLC0415 - only a release that migrates
        from gitops_cli.adapters.migrations.rehearsal import rehearse  # noqa: PLC0415

        job = database.job_of(context, release, found, change, record)
        rehearsal = rehearse(job, ledger)
        foresight.refuse_loss(job, rehearsal)
        for line in (*rehearsal.notes, *foresight.warnings(job, rehearsal)):
            context.watch.says(line)
        _refuse_overlap(context, release, job, rehearsal)
        small = msgspec.structs.replace(rehearsal, sql=(), touched=(), notes=(), unbearable=())
        record.note(change=msgspec.to_builtins(change), found=msgspec.to_builtins(small))
        return f"{change.title()}, {_shown(job, rehearsal)}"

    def undo(self, release: Release, record: Record) -> None:
        """Remove the exported files; a scratch database of a killed rehearsal goes too."""
        del record
        context = self._context
        database.forget_exports(context, release)
        if database.has_migrations(context, release) and context.environment.database != "none":
            from gitops_cli.adapters.postgres import server  # noqa: PLC0415 - as above
            from gitops_cli.adapters.postgres.scratch import drop_leftovers  # noqa: PLC0415 - as above

            if context.environment.database == "embedded" and server.exists(context.home):
                server.ensure(context.home)  # it may have died under the rehearsal
            drop_leftovers(context.home, context.environment.name)

    def is_done(self, release: Release, record: Record) -> bool:
        """Rehearse again after a crash."""
        del release, record
        return False

    def settle(self, release: Release, record: Record) -> None:
        """Remove the exported files."""
        del record
        database.forget_exports(self._context, release)


def _refuse_overlap(context: Context, release: Release, job: Job, rehearsal: Rehearsal) -> None:
    """Refuse what the old version cannot bear, where it serves on while the new one starts.

    Raises `BadMigration` with the way out: both versions work on the schema, or nobody is served meanwhile.
    """
    if not rehearsal.unbearable:
        return
    rolling = context.target.overlap(context.wanted(release))
    if not rolling:
        return
    told = [
        f"{found.what} ({job.files.get(found.revision, found.revision)})" for found in rehearsal.unbearable
    ]
    who = ", ".join(rolling)
    if "expect-downtime" in release.options:
        for line in told:
            context.watch.says(f"warning: old pods of {who} will stumble over this: {line}")
        return
    first = rehearsal.unbearable[0]
    again = f"{'roll back' if job.change.goes_down else 'push'} again with -o expect-downtime"
    raise BadMigration(
        f"old and new pods of {who} overlap during the rollout, and the old ones cannot bear this: "
        f"{'; '.join(told)}",
        code="migration.overlap",
        file=job.files.get(first.revision, ""),
        next_command=f"expand in one push and contract in a later one, or use strategy Recreate, or {again}",
    )


def _shown(job: Job, rehearsal: Rehearsal) -> str:
    if rehearsal.first:
        return "rehearsed on an empty database"
    if rehearsal.one_way:
        return "no way back, as declared"
    return "there, back and there again" if not job.change.goes_down else "back, there and back again"
