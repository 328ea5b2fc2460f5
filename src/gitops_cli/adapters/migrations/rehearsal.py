"""The rehearsal: there, back and there again on a scratch copy, before the real database is touched."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.migrations import inside, schemas, sequences
from gitops_cli.adapters.migrations.bearing import Break, breaks
from gitops_cli.adapters.migrations.inventory import REWRITTEN, Risk, risks
from gitops_cli.adapters.migrations.ledger import Ledger
from gitops_cli.adapters.migrations.problems import ChildGone, MigrationFailed, as_error
from gitops_cli.adapters.postgres.fingerprint import Fingerprint, column_order_changes, difference
from gitops_cli.adapters.postgres.scratch import Scratch
from gitops_cli.errors import BadMigration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.adapters.migrations.inventory import Inventory
    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.plan import Change
    from gitops_cli.adapters.migrations.session import Ran, Session

STEPWISE = 10
"""Up to so many revisions each one is compared by itself, so that the message names its file."""


class Touched(msgspec.Struct, frozen=True):
    """What one revision did to one table that was there before."""

    revision: str
    table: str
    lock: str
    rewritten: bool
    scanned: bool


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What the rehearsal found; it stands in the journal, so that the real run can be held against it."""

    before: str
    """Digest of the schema before."""
    after: str
    first: bool = False
    """A first release into an empty database: to take it back is to empty it."""
    one_way: bool = False
    """It says that it has no way back, and the operator allows that."""
    exact: bool = True
    """Whether the scratch server has the database's major version."""
    risks: tuple[Risk, ...] = ()
    going: tuple[Risk, ...] = ()
    """What the way back drops: the new version may have written to it before it is taken back."""
    rewritten: tuple[tuple[str, str], ...] = ()
    """Tables with a new file: rewritten, or emptied by TRUNCATE."""
    touched: tuple[Touched, ...] = ()
    sql: tuple[tuple[str, str], ...] = ()
    """What ran, by revision: for the linter."""
    notes: tuple[str, ...] = ()
    unbearable: tuple[Break, ...] = ()
    """What the version before cannot bear while it still runs."""


def rehearse(job: Job, recorded: Ledger = Ledger()) -> Rehearsal:  # noqa: B008 - frozen
    """Rehearse a change. Raises `BadMigration` when it fails or its way back does not lead back."""
    with Scratch(job.home, job.access, job.limits.rehearsal) as scratch:
        schemas.keep(job.home, scratch.live)
        first = not job.change.before and not job.change.goes_down and _is_new(scratch)
        with job.session(scratch.migrate_url, job.limits.rehearsal) as session:
            found, marks = _there(job, session, first=first, exact=scratch.major == job.access.major)
            one_way = not first and not _back(job, session, marks)
            expected = moved(scratch.live, marks[0], marks[-1])
    notes = (*_drift(job, scratch, recorded), *scratch.warnings)
    schemas.keep(job.home, expected)
    return msgspec.structs.replace(
        found, before=scratch.live.digest, after=expected.digest, one_way=one_way, notes=notes
    )


def moved(live: Fingerprint, before: Fingerprint, after: Fingerprint) -> Fingerprint:
    """Apply the difference that the rehearsal made to the live schema, of which the copy may fall short."""
    gone, added = set(before.rows) - set(after.rows), set(after.rows) - set(before.rows)
    return Fingerprint(tuple(sorted((set(live.rows) - gone) | added)))


def _drift(job: Job, scratch: Scratch, recorded: Ledger) -> list[str]:
    """Say when the schema is not the one that the last release left; the rehearsal ran on what is there."""
    if not recorded.schema or recorded.schema == scratch.live.digest:
        return []
    differs = schemas.shown(job.home, recorded.schema, scratch.live)
    return [f"note: the schema is not the one that release {recorded.number} left: {differs}".rstrip(": ")]


def _is_new(scratch: Scratch) -> bool:
    return not any(kind not in {"schema", "extension"} for kind, _, _ in scratch.live.rows)


def _run(
    session: Session, change: Change, tables: Inventory | None = None, *, stepwise: bool
) -> Iterator[tuple[Ran, Fingerprint]]:
    """Run a change, one revision at a time where there are few; give the schema after each part."""
    size = 1 if stepwise and len(change.moves) <= STEPWISE else max(len(change.moves), 1)
    for start in range(0, len(change.moves), size):
        for ran in inside.run(
            session, msgspec.structs.replace(change, moves=change.moves[start : start + size]), tables
        ):
            yield ran, inside.schema(session)


def _there(job: Job, session: Session, *, first: bool, exact: bool) -> tuple[Rehearsal, list[Fingerprint]]:
    """Run the change and commit it on the copy; tell what it did, and the schema at each stop."""
    session.begin(job.settings(job.limits.rehearsal))
    schema, tables = inside.schema(session), inside.tables(session)
    numbered = sequences.read(session.rows)
    parts, steps = [], []
    for part in _run(session, job.change, tables, stepwise=not first):
        parts.append(part)
        steps.append((part[0].revisions[-1].revision, inside.tables(session)))
    ran, now, left = [part for part, _ in parts], parts[-1][1], steps[-1][1]
    gone = risks(tables, left, rewrites=True) + sequences.gone(numbered, sequences.read(session.rows), left)
    session.commit()
    schemas.keep(job.home, now)
    found = Rehearsal(
        before=schema.digest,
        after=now.digest,
        first=first,
        exact=exact,
        risks=tuple(risk for risk in gone if risk.why != REWRITTEN),
        going=tuple(risks(left, tables)),
        rewritten=tuple((risk.schema, risk.table) for risk in gone if risk.why == REWRITTEN),
        touched=tuple(_touched(tables, ran)),
        unbearable=breaks(tables, steps),
        sql=tuple(pair for part in ran for pair in part.captured),
    )
    return found, [schema, *(mark for _, mark in parts)]


def _touched(tables: Inventory, ran: list[Ran]) -> list[Touched]:
    found = []
    for revision in (revision for part in ran for revision in part.revisions):
        locks = {oid: modes for oid, modes in revision.trace.locks if oid in tables}
        rewritten, scanned = set(revision.trace.rewritten), set(revision.trace.scanned)
        for oid in sorted((locks.keys() | rewritten | scanned) & tables.keys()):
            name = f"{tables[oid].schema}.{tables[oid].name}"
            lock = next((mode for mode in STRONG if mode in locks.get(oid, ())), "")
            if lock or oid in rewritten:
                found.append(Touched(revision.revision, name, lock, oid in rewritten, oid in scanned))
    return found


STRONG = ("AccessExclusiveLock", "ExclusiveLock", "ShareRowExclusiveLock", "ShareLock")
"""Locks that stop writers, and the first also readers; strongest first."""

_ANEW = ("RESET ALL", "RESET ROLE", "DISCARD TEMP")
"""The real way back has a session of its own: no setting, role or temporary table of the way there."""
_NO_WAY_BACK = (
    "mend its downgrade(); or let it raise, and the operator sets policy: {allowIrreversible: true}"
)


def _back(job: Job, session: Session, marks: list[Fingerprint]) -> bool:
    """Go back, compare with before, and there again. False when it has declared that there is no way back."""
    declared = job.allow_irreversible and any(move.revision in job.irreversible for move in job.change.moves)
    anew = (*_ANEW, *job.settings(job.limits.rehearsal))
    try:
        session.begin(anew)
        for at, (_, now) in enumerate(_run(session, job.change.back, stepwise=True)):
            _compare(job, marks[-2 - at], now, at if len(marks) == len(job.change.moves) + 1 else -1)
        session.commit()
        session.begin(anew)
        *_, (_, again) = _run(session, job.change, stepwise=False)
        if again.digest != marks[-1].digest:
            raise _not_inverse(
                job, marks[-1], again, job.change.moves[0].file if len(job.change.moves) == 1 else ""
            )
    except (BadMigration, MigrationFailed) as error:
        if declared:
            return False
        raise _irreversible(job, error) if isinstance(error, MigrationFailed) else error from None
    finally:
        with suppress(MigrationFailed, ChildGone):
            session.rollback()
    for table in column_order_changes(marks[0], now):
        job.says(f"note: going back leaves the columns of {table} in another order")
    return True


def _compare(job: Job, before: Fingerprint, now: Fingerprint, at: int) -> None:
    """Hold the schema after a step back against the one before the step there."""
    if now.digest != before.digest:
        file = job.change.back.moves[at].file if at >= 0 else ""
        raise _not_inverse(job, before, now, file)


def _irreversible(job: Job, failed: MigrationFailed) -> BadMigration:
    """Say that the way back fails, with file and line."""
    error = as_error(failed, job.files, job.env_file)
    known = isinstance(error, BadMigration) and error.code != "migration.failed"
    return BadMigration(
        error.cause if known else f"there is no way back: {error.cause}",
        code=error.code if known else "migration.irreversible",
        file=error.file,
        line=error.line,
        next_command=error.next_command if known else _NO_WAY_BACK,
    )


def _not_inverse(job: Job, before: Fingerprint, now: Fingerprint, file: str) -> BadMigration:
    there, back = ("downgrade", "upgrade") if job.change.goes_down else ("upgrade", "downgrade")
    return BadMigration(
        f"its {back} is not the inverse of its {there}: {schemas.said(difference(before, now))}",
        code="migration.not-inverse",
        file=file,
        next_command=f"mend {back}() and push again",
    )
