"""What was written since a release's migrations: what their way back drops is copied out first, and stays.

The new version may have served users before the release failed. Rows and values that the migrations wrote
themselves are no loss, and are told by the id of their transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.migrations import inside, kept, loss, rowsecurity
from gitops_cli.adapters.migrations.inventory import (
    CHANGED,
    REWRITTEN,
    WROTE,
    Risk,
    by_table,
    quote,
    risks,
    whole_tables,
)
from gitops_cli.errors import Stuck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gitops_cli.adapters.migrations.inventory import Inventory
    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.session import Session

_DEFAULTS = """
SELECT attname::text, quote_literal((attmissingval::text::text[])[1]) FROM pg_attribute
WHERE attrelid = %s::text::regclass AND atthasmissing AND NOT attisdropped
"""
"""What a new column shows in rows that nobody has written since it was added."""
_XIDS = 1 << 32
"""A row holds as many bits of a transaction's id."""


class Uncopied(Exception):
    """The way back dropped what was not copied; `found` says what. Its transaction has to be rolled back."""

    def __init__(self, found: Iterable[Risk]) -> None:
        """Keep what was seen."""
        super().__init__("a loss that was not copied")
        self.found = tuple(found)


class Since:
    """What the tries of one way back learn from each other; facts are in the journal before the COMMIT."""

    def __init__(
        self, job: Job, xid: str, going: Sequence[Risk], stays: Iterable[str], note: Callable[..., None]
    ) -> None:
        """`xid` migrated; `going` is known to go; `stays` are tables whose rows the migrations updated."""
        self._own = f"xmin <> '{int(xid) % _XIDS}'::xid" if xid else "true"
        self._risks, self._stays, self._note = tuple(going), set(stays), note
        self.folder = loss.folder_of(job.home.kept(job.environment), job.number, f"{job.release}-undone")

    def keep(self, session: Session, mode: str) -> Inventory:
        """Lock and copy out what goes; give the tables as they are. Durable when it returns."""
        remove_tree(self.folder)  # of a try that was rolled back: everything is still in the database
        tables = inside.tables(session)
        here = [risk for risk in self._risks if _is_there(risk, tables)]
        loss.lock(session.rows, here, mode)
        with rowsecurity.suspended(session, list(by_table(here))):
            self._copy(session, here)
        return tables

    def _copy(self, session: Session, here: Sequence[Risk]) -> None:
        only = {}
        for table, members in by_table(here).items():
            written = self._written(session, table, members)
            if session.rows(f"SELECT EXISTS (SELECT FROM {table} WHERE {written})")[0][0]:  # noqa: S608 - quoted
                only[table] = written
        self._note(left=str(self.folder) if only else "")
        if only:
            kept.keep(session, [risk for risk in here if risk.quoted in only], self.folder, only)

    def keep_all(self, session: Session, settings: Sequence[str]) -> None:
        """Copy out every table that anybody has written to: the database is made empty next."""
        session.begin(settings)
        tables = inside.tables(session).values()
        self._risks = tuple(table.risk("dropped") for table in tables if not table.partition)
        self.keep(session, loss.SHARED)
        session.rollback()  # nobody serves any more; whoever empties the database needs these locks

    def check(self, session: Session, tables: Inventory) -> None:
        """Hold what the way back did against what was copied. Raises `Uncopied`, and then `Stuck`."""
        left = inside.tables(session)
        names = {table.risk(REWRITTEN): left[oid] for oid, table in tables.items() if oid in left}
        gone = set()
        for risk in risks(tables, left, rewrites=True):
            if risk.why == REWRITTEN:
                query = f"SELECT EXISTS (SELECT FROM {names[risk].quoted})"  # noqa: S608 - quoted
                if session.rows(query)[0][0]:
                    continue
            gone.add(risk)
        for oid, updated, deleted in session.rows(WROTE):
            if deleted and oid in tables:
                gone.add(tables[oid].risk(CHANGED))
            if updated and oid in tables and oid in left:
                self._stays.add(left[oid].risk(CHANGED).name)
        whole = whole_tables(self._risks)
        found = [risk for risk in gone - set(self._risks) if (risk.schema, risk.table) not in whole]
        if found:
            raise Uncopied(found)

    def learn(self, found: Iterable[Risk]) -> None:
        """Copy that too at the next try. Raises `Stuck` when there is nothing new in it."""
        more = tuple(sorted({*self._risks, *found}))
        if len(more) == len(self._risks):
            names = ", ".join(risk.name for risk in found)
            raise Stuck(f"the way back drops what cannot be copied first: {names}", code="migration.undo")
        self._risks = more

    def note_stays(self) -> None:
        """Note, before the COMMIT, whose rows stay as the migrations or the way back updated them."""
        self._note(stays=sorted(self._stays))

    def _written(self, session: Session, table: str, members: Sequence[Risk]) -> str:
        """Say in SQL which rows hold what somebody else than the migrations wrote."""
        if any(not risk.column for risk in members):
            return self._own
        defaults = {str(name): str(value) for name, value in session.rows(_DEFAULTS, table)}
        parts = []
        for risk in members:
            column, default = quote(risk.column), defaults.get(risk.column)
            parts.append(f"{column} IS NOT NULL" + (f" AND {column}::text <> {default}" if default else ""))
        return f"{self._own} AND ({' OR '.join(parts)})"


def _is_there(risk: Risk, tables: Inventory) -> bool:
    """Say whether it still is; somebody may have dropped it by hand."""
    for table in tables.values():
        if (table.schema, table.name) == (risk.schema, risk.table):
            return not risk.column or any(column.name == risk.column for column in table.columns.values())
    return False
