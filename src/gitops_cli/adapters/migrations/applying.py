"""One transaction on the live database: under the lock, held against the rehearsal, settled by asking.

What became of a COMMIT is never assumed: after anything went wrong behind it, the database is asked.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters import clock
from gitops_cli.adapters.migrations import (
    advisory,
    inside,
    kept,
    ledger,
    loss,
    rowsecurity,
    schemas,
    sequences,
    truncation,
)
from gitops_cli.adapters.migrations.inventory import (
    CHANGED,
    REWRITTEN,
    WROTE,
    Risk,
    by_table,
    risks,
    whole_tables,
)
from gitops_cli.adapters.migrations.tries import Tries
from gitops_cli.adapters.postgres import server
from gitops_cli.adapters.postgres.connect import connect, end_backends
from gitops_cli.adapters.postgres.outcome import transaction_outcome
from gitops_cli.errors import BadMigration, DatabaseFailed, GitopsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import psycopg

    from gitops_cli.adapters.migrations.inventory import Inventory
    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.rehearsal import Rehearsal
    from gitops_cli.adapters.migrations.session import Session

    Admin = psycopg.Connection[Any]

RECONNECT = 30.0
"""Seconds for a server that restarts to answer again."""


class Unforeseen(Exception):
    """The real rows showed a loss that the rehearsal on an empty copy could not."""

    def __init__(self, found: Sequence[Risk]) -> None:
        """Keep what was seen."""
        super().__init__("a loss that was not counted")
        self.found = tuple(found)


@contextmanager
def alone(job: Job) -> Iterator[Admin]:
    """Hold the lock of the database on a connection of its own; sessions of a dead release are ended first.

    Raises `DatabaseFailed` when somebody else has it, and when the server ends the connection.
    """
    import psycopg as library  # noqa: PLC0415 - 90 ms, for releases that migrate only

    with connect_patiently(job) as admin:
        try:
            end_backends(admin, job.application_name)
            with advisory.migrating(admin, job.limits.lock):
                yield admin
        except library.Error as error:
            raise DatabaseFailed(
                f"the database failed ({type(error).__name__})",
                code="migration.connection",
                next_command="push again",
            ) from error


def connect_patiently(job: Job) -> Admin:
    """Connect as the operator, also while the server restarts. Raises `Unavailable`."""
    deadline = clock.monotonic() + RECONNECT
    while True:
        try:
            name = f"gitops lock:{job.release}"
            return connect(job.access.admin_url, application_name=name, autocommit=True)
        except Unavailable as error:
            if error.code != "database.unreachable" or clock.monotonic() > deadline:
                raise
            if job.access.embedded:  # nobody else starts it again
                server.ensure(job.home)
            clock.pause(0.2)


def apply(job: Job, rehearsal: Rehearsal, note: Callable[..., None]) -> Path | None:
    """Apply a change that was rehearsed; give the folder of what it destroyed, if anything.

    `note` writes facts to the journal before the effect that they describe. Raises `GitopsError`; then
    the transaction was rolled back.
    """
    work = _Work(job, rehearsal, note)
    try:
        with alone(job) as admin:
            work.admin, tries = admin, Tries(job, admin)
            with job.live_url() as url, job.session(url, job.limits.migration, tries.look) as session:
                tries.until_locks(session, lambda one: work.attempt(one, tries))
    except GitopsError:
        if not (work.xid and settled(job, work.xid)):
            raise
    for found in work.dropped:
        job.says(f"note: {found} is dropped")
    return work.folder if work.kept else None


class _Work:
    """One application: what its tries learn from each other."""

    def __init__(self, job: Job, rehearsal: Rehearsal, note: Callable[..., None]) -> None:
        self._job, self._rehearsal, self._note = job, rehearsal, note
        self.admin: Admin | None = None
        self.folder = loss.folder_of(job.home.kept(job.environment), job.number, job.release)
        self.kept = False
        self.dropped: list[loss.Counted] = []
        """Sequences that went, with the number at which each stood."""
        self.xid = ""
        """Of a transaction whose COMMIT may have been ordered."""
        self._risks = tuple(rehearsal.risks)
        self._numbered: list[sequences.Found] = []
        self._stood: dict[str, sequences.Place] = {}
        self._watched = tuple(Risk(schema, name, "", REWRITTEN) for schema, name in rehearsal.rewritten)
        """Tables that get a new file: rewritten, or emptied by TRUNCATE."""

    def attempt(self, session: Session, tries: Tries) -> None:
        """Do it, again with what is learned when the rehearsal could not foresee a loss.

        At most three times: a new file is seen, then that it is TRUNCATE's, then the rows are counted.
        """
        while True:
            try:
                self._once(session, loss.EXCLUSIVE if tries.deadlocked else loss.SHARED)
            except Unforeseen as seen:
                session.rollback()
                if set(seen.found) <= {*self._risks, *self._watched}:
                    names = ", ".join(risk.name for risk in seen.found)
                    cause = f"it destroys what could not be counted before: {names}"
                    raise BadMigration(cause, code="migration.loss") from None
                self._learn(seen.found)
            else:
                return

    def _learn(self, found: Sequence[Risk]) -> None:
        new_files = {risk for risk in found if risk.why == REWRITTEN}
        self._risks = tuple(sorted({*self._risks, *found} - new_files))
        self._watched = tuple(sorted({*self._watched, *new_files}))

    def _once(self, session: Session, mode: str) -> None:
        """Do it once, from BEGIN to COMMIT."""
        job, rehearsal = self._job, self._rehearsal
        self.xid = ""
        xid = session.begin(job.settings(job.limits.migration))
        before = check_start(job, session, job.change.before, rehearsal.before)
        loss.lock(session.rows, [*self._risks, *self._watched], mode)
        tables = inside.tables(session)
        self._note_sequences(session, tables)
        self._count(session)
        watched = {(risk.schema, risk.table) for risk in self._watched}
        truncation.watch(session, [oid for oid, one in tables.items() if (one.schema, one.name) in watched])
        ran = inside.run(session, job.change)
        self._check_loss(session, tables, truncation.untouched(session))
        updated = self._updated(session, tables)
        now = inside.schema(session)
        if rehearsal.exact and now.digest != rehearsal.after:
            differs = schemas.shown(job.home, rehearsal.after, now)
            cause = f"the real run left another schema than the rehearsal: {differs}"
            raise BadMigration(cause, code="migration.differs")
        schemas.keep(job.home, now)
        seconds = {one.revision: one.seconds for part in ran for one in part.revisions}
        ledger.write(session, job, job.change, schemas=(before, now.digest), xid=xid, seconds=seconds)
        if self.admin is None or not advisory.held(self.admin):
            raise DatabaseFailed("the lock of the database was lost", code="migration.lock")
        self._note(xid=xid, schema_before=before, schema_after=now.digest, updated=updated)
        self.xid = xid
        session.commit()

    def _note_sequences(self, session: Session, tables: Inventory) -> None:
        """Note where sequences stand before anything can set one back: no ROLLBACK takes that back."""
        self._numbered = sequences.read(session.rows)
        sequences.lock(session.rows, self._numbered, self._risks, tables)
        self._stood = sequences.furthest(self._stood, sequences.places(session.rows, self._numbered))
        if self._stood:
            self._note(sequences=msgspec.to_builtins(self._stood))

    def _count(self, session: Session) -> None:
        """Count what is at risk, under lock; refuse it, or copy it out first."""
        job = self._job
        with rowsecurity.suspended(session, list(by_table(self._risks))):
            counted, numbers = loss.count(session.rows, self._risks), sequences.used(self._risks, self._stood)
            loss.refuse([*counted, *numbers], job.accept, allowed=job.allow_loss, down=job.change.goes_down)
            self.dropped = numbers
            if counted:
                self._note(kept=str(self.folder))
                kept.keep(session, [found.risk for found in counted], self.folder)
                self.kept = True

    def _check_loss(self, session: Session, tables: Inventory, untouched: set[int]) -> None:
        """Compare the catalogue again: nothing may be gone, deleted or changed that was not counted.

        `untouched` are the tables that were watched and certainly not emptied.
        """
        whole = whole_tables(self._risks)
        left = inside.tables(session)
        dropped = sequences.gone(self._numbered, sequences.read(session.rows), left)
        seen = {*risks(tables, left, rewrites=True), *dropped} - set(self._risks)
        new_files = {(risk.schema, risk.table) for risk in seen if risk.why == REWRITTEN}
        gone = seen - set(self._watched)
        for oid, updated, deleted in session.rows(WROTE):
            if oid in tables and (deleted or (updated and self._job.change.goes_down)):
                gone.add(tables[oid].risk(CHANGED))
        watched = {(risk.schema, risk.table) for risk in self._watched} & new_files
        for oid, table in tables.items():
            if (table.schema, table.name) in watched and oid not in untouched:
                gone.add(table.risk(CHANGED))
        found = [risk for risk in gone if (risk.schema, risk.table) not in whole]
        if found:
            raise Unforeseen(found)

    def _updated(self, session: Session, tables: Inventory) -> list[str]:
        """Name the tables with updated rows; those that are copied whole are put back by an undo."""
        whole = whole_tables(self._risks)
        found = [tables[oid] for oid, updated, _ in session.rows(WROTE) if updated and oid in tables]
        return sorted(table.risk(CHANGED).name for table in found if (table.schema, table.name) not in whole)


def check_start(job: Job, session: Session, heads: tuple[str, ...], digest: str) -> str:
    """Check revision and schema again, under the lock; give the digest of the schema."""
    found = inside.heads(session)
    if found != tuple(sorted(heads)):
        raise DatabaseFailed(
            f"the database has moved to revision {', '.join(found) or 'none'} since the rehearsal",
            code="migration.moved",
            next_command="push again",
        )
    now = inside.schema(session)
    if now.digest != digest:
        raise DatabaseFailed(
            f"the schema has changed since the rehearsal: {schemas.shown(job.home, digest, now)}".rstrip(
                ": "
            ),
            code="migration.drift",
            next_command="push again",
        )
    return now.digest


def settled(job: Job, xid: str) -> bool:
    """Ask what became of a COMMIT whose answer was lost: True when it is in effect. Raises `Unavailable`."""
    with connect_patiently(job) as admin:
        end_backends(admin, job.application_name)
        return transaction_outcome(admin, xid) != "aborted" and ledger.has(admin, job.release)


def in_effect(job: Job) -> bool:
    """Say whether a release's migrations are in effect, whatever happened to whoever ran them."""
    with connect_patiently(job) as admin:
        end_backends(admin, job.application_name)
        return ledger.has(admin, job.release)
