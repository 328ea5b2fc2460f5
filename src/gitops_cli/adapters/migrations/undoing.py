"""Taking a release's migrations back: only if they are in effect, and only to exactly what was before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.migrations import inside, kept, ledger, loss, schemas, sequences
from gitops_cli.adapters.migrations.applying import alone, in_effect
from gitops_cli.adapters.migrations.empty import make_empty
from gitops_cli.adapters.migrations.inventory import Risk
from gitops_cli.adapters.migrations.since import Since, Uncopied
from gitops_cli.adapters.migrations.tries import Tries
from gitops_cli.errors import GitopsError, Stuck

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.session import Session


class Done(msgspec.Struct, frozen=True):
    """What the journal says of a change that may be in effect."""

    before: str
    """Digest of the schema before."""
    first: bool = False
    one_way: bool = False
    kept: str = ""
    """The folder of what it destroyed."""
    sequences: dict[str, sequences.Place] = {}
    """Where each stood before."""
    xid: str = ""
    """Of the transaction that migrated."""
    going: tuple[Risk, ...] = ()
    """What the way back drops, as the rehearsal saw it."""
    updated: tuple[str, ...] = ()
    """Tables whose rows were updated."""


def take_back(job: Job, done: Done, note: Callable[..., None]) -> bool:
    """Take a release's migrations back; False when they are not in effect. Idempotent, also after a crash.

    Raises `Stuck` when the way back does not lead to what was before; then nothing was changed. Sequences
    are put back in any case: what a transaction did to them stays when it is rolled back. `note` writes to
    the journal where a copy of what goes is (`left`), and tables whose rows stay updated (`stays`).
    """
    try:
        there: bool | None = _take_back(job, done, Since(job, done.xid, done.going, done.updated, note))
    except GitopsError as error:
        if in_effect(job):
            if isinstance(error, Stuck):
                raise
            raise Stuck(
                error.cause, code=error.code, file=error.file, line=error.line, next_command="gitops recover"
            ) from error
        there = None  # its COMMIT went through and only the answer was lost, or it was never there
    if not there:
        sequences.put_back_alone(job, done.sequences)
    return there is not False


def _take_back(job: Job, done: Done, since: Since) -> bool:
    with alone(job) as admin:
        if not ledger.has(admin, job.release):
            return False
        if done.one_way and not done.first:
            raise Stuck("the migration has declared that it has no way back", code="migration.one-way")
        tries = Tries(job, admin)
        with job.live_url() as url, job.session(url, job.limits.migration, tries.look) as session:
            if done.first:
                settings = job.settings(job.limits.migration)
                tries.until_locks(session, lambda one: since.keep_all(one, settings))
            else:
                tries.until_locks(session, lambda one: _attempt(job, one, done, since, tries))
        if done.first:
            make_empty(admin, job.home, done.before)
    return True


def _attempt(job: Job, session: Session, done: Done, since: Since, tries: Tries) -> None:
    """Go back; again, if that dropped what was not copied first."""
    while True:
        try:
            return _back(job, session, done, since, loss.EXCLUSIVE if tries.deadlocked else loss.SHARED)
        except Uncopied as seen:
            session.rollback()
            since.learn(seen.found)


def _back(job: Job, session: Session, done: Done, since: Since, mode: str) -> None:
    """Run the way back, put back what was kept, and commit only if the schema is as it was."""
    session.begin(job.settings(job.limits.migration))
    tables = since.keep(session, mode)
    inside.run(session, job.change.back)
    since.check(session, tables)
    if done.kept and (Path(done.kept) / kept.INDEX).exists():
        kept.restore(session, Path(done.kept))
    sequences.put_back(session.rows, done.sequences)
    ledger.forget(session, job.release)
    now = inside.schema(session)
    if now.digest != done.before:
        differs = schemas.shown(job.home, done.before, now)
        session.rollback()
        raise Stuck(
            f"taking the migrations back leaves another schema: {differs}".rstrip(": "),
            code="migration.undo",
            next_command="gitops recover",
        )
    since.note_stays()
    session.commit()
