"""Migrate: all pending migrations in one transaction, and the way back when the release fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import processes
from gitops_cli.steps import database

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitops_cli.adapters.migrations.plan import Change
    from gitops_cli.adapters.migrations.rehearsal import Rehearsal
    from gitops_cli.adapters.migrations.undoing import Done
    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.steps.context import Context


class Migrate:
    """Bring the database to where the tree says.

    `undo` asks the database whether the migrations are in effect; of the journal it only needs `begun`,
    which is on disk before anything happens, and what `rehearse` noted.
    """

    name = "migrate"

    def __init__(self, context: Context) -> None:
        """Keep the surroundings."""
        self._context = context

    def plan(self, release: Release) -> Sequence[str]:
        """Say nothing more than the rehearsal."""
        del release
        return []

    def do(self, release: Release, record: Record) -> str:
        """Apply what was rehearsed. Raises `GitopsError`; then nothing of it is in effect."""
        context = self._context
        rehearsed = _rehearsed(record)
        if rehearsed is None:
            return database.NOTHING
        from gitops_cli.adapters.migrations.applying import apply  # noqa: PLC0415 - only a release that migrates

        change, rehearsal = rehearsed
        job = database.job_of(context, release, database.access_of(context, release), change, record)
        record.note(begun=True)
        kept = apply(job, rehearsal, record.note)
        if kept is not None:
            context.watch.says(f"what was dropped is kept in {kept}")
        return f"{change.title()}, now at {', '.join(change.after) or 'nothing'}"

    def undo(self, release: Release, record: Record) -> None:
        """Take back what is in effect. Raises `Stuck` when that does not lead to what was before."""
        context = self._context
        rehearsed = _rehearsed(record)
        if rehearsed is not None and record.facts.get("begun"):
            from gitops_cli.adapters.migrations.undoing import take_back  # noqa: PLC0415 - as above

            child = record.facts.get("child")
            if isinstance(child, dict):
                processes.end_all([child])
            change, rehearsal = rehearsed
            found = database.access_of(context, release)
            job = database.job_of(context, release, found, change, record)
            kept = str(record.facts.get("kept") or "")
            take_back(job, _done(rehearsal, record), record.note)
            self._tell(record)
            _remove(context.home.kept(context.environment.name), kept)
        database.forget_exports(context, release)

    def _tell(self, record: Record) -> None:
        """Say what of the time since the migrations is gone, and what of theirs is still there."""
        left, stays = record.facts.get("left"), record.facts.get("stays")
        if left:
            self._context.watch.says(f"what was written since to what the way back dropped is kept in {left}")
        if isinstance(stays, list) and stays:
            self._context.watch.says(
                f"note: the migrations or their way back updated rows of {', '.join(map(str, stays))};"
                " what that wrote into columns that are still there stays"
            )

    def is_done(self, release: Release, record: Record) -> bool:
        """Ask the database."""
        rehearsed = _rehearsed(record)
        if rehearsed is None:
            return True
        change, _ = database.pending(self._context, release, database.access_of(self._context, release))
        return not change.moves

    def settle(self, release: Release, record: Record) -> None:
        """Remove the exported files; what was dropped stays kept for people."""
        del record
        database.forget_exports(self._context, release)


def _rehearsed(record: Record) -> tuple[Change, Rehearsal] | None:
    """Read what the rehearsal noted; None when there was nothing to do."""
    facts = record.of("rehearse")
    if "change" not in facts or "found" not in facts:
        return None
    from gitops_cli.adapters.migrations.plan import Change  # noqa: PLC0415 - only a release that migrates
    from gitops_cli.adapters.migrations.rehearsal import Rehearsal  # noqa: PLC0415

    return msgspec.convert(facts["change"], Change), msgspec.convert(facts["found"], Rehearsal)


def _done(rehearsal: Rehearsal, record: Record) -> Done:
    """Put together what the journal says of a change that may be in effect."""
    from gitops_cli.adapters.migrations.undoing import Done  # noqa: PLC0415 - only a release that migrates

    facts = record.facts
    return msgspec.convert(
        {
            "before": rehearsal.before,
            "first": rehearsal.first,
            "one_way": rehearsal.one_way,
            "kept": facts.get("kept") or "",
            "sequences": facts.get("sequences") or {},
            "xid": facts.get("xid") or "",
            "going": rehearsal.going,
            "updated": facts.get("updated") or [],
        },
        Done,
    )


def _remove(folder: Path, kept: str) -> None:
    """Remove the copies of what was put back."""
    from gitops_cli.adapters.files import remove_tree  # noqa: PLC0415 - only where something was kept

    if kept and folder in type(folder)(kept).parents:
        remove_tree(type(folder)(kept))
