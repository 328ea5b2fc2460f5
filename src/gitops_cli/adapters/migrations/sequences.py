"""Where sequences stand: no ROLLBACK takes a setval() back, and one that is made again begins at its start.

Where each one stood is noted before a change runs. Whoever takes it back moves forward again what is behind,
or numbers that were given out would be given out twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.migrations.inventory import SEQUENCE, Risk, quote
from gitops_cli.adapters.migrations.loss import Counted
from gitops_cli.adapters.postgres.connect import asking, connect
from gitops_cli.errors import DatabaseFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitops_cli.adapters.migrations.inventory import Inventory
    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.session import Rows

    Ask = Callable[..., Rows]
    Places = Mapping[str, "Place"]
    """By quoted name."""

_QUERY = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, pg_get_userbyid(c.relowner)::text,
       q.seqstart, q.seqincrement, coalesce(d.refobjid, 0)::bigint, coalesce(d.refobjsubid, 0)::int
FROM pg_sequence q JOIN pg_class c ON c.oid = q.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
     AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'gitops')
  AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'UPDATE')
ORDER BY c.oid
"""
_CALLED = "SELECT last_value FROM pg_sequences WHERE schemaname = %s AND sequencename = %s"
_AT_ONCE = 200
"""Sequences that one statement reads."""


class Found(msgspec.Struct, frozen=True):
    """One sequence; `table` and `column` (oid, attnum) are those that it goes with, else 0."""

    oid: int
    schema: str
    name: str
    owner: str
    start: int
    step: int
    table: int
    column: int

    @property
    def quoted(self) -> str:
        """Its name as SQL spells it."""
        return f"{quote(self.schema)}.{quote(self.name)}"


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a sequence stands; the journal holds it as a list."""

    value: int
    called: bool
    """Whether `value` was given out."""
    step: int

    @property
    def next(self) -> int:
        """The number that it gives next."""
        return self.value + self.step if self.called else self.value

    def is_behind(self, other: Place) -> bool:
        """Whether it would give a number that the other one has given."""
        return self.next < other.next if self.step > 0 else self.next > other.next


def read(ask: Ask) -> list[Found]:
    """List the sequences that may be read and set."""
    return [Found(*row) for row in ask(_QUERY)]


def gone(before: Iterable[Found], now: Sequence[Found], tables: Inventory) -> list[Risk]:
    """Tell which are dropped, but for those that go with a table or column; `tables` are left."""
    oids, names = {one.oid for one in now}, {one.quoted for one in now}
    found = []
    for one in before:
        table = tables.get(one.table)
        with_column = one.table and (table is None or one.column not in table.columns)
        if one.oid not in oids and one.quoted not in names and not with_column:
            found.append(Risk(one.schema, one.name, "", SEQUENCE))
    return found


def lock(ask: Ask, found: Iterable[Found], risks: Sequence[Risk], tables: Inventory) -> None:
    """Let nobody take numbers of those that go, alone or with a table, until the transaction ends."""
    for one in found:
        table = tables.get(one.table)
        column = table.columns.get(one.column) if table else None
        names = {(one.schema, one.name, "")}
        if table is not None and column is not None:
            names |= {(table.schema, table.name, ""), (table.schema, table.name, column.name)}
        if any((risk.schema, risk.table, risk.column) in names for risk in risks):
            # LOCK TABLE takes no sequences; this changes nothing, and waits for who has taken a number
            ask(f"ALTER SEQUENCE {one.quoted} OWNER TO {quote(one.owner)}")


def places(ask: Ask, found: Sequence[Found]) -> dict[str, Place]:
    """Tell where they stand; one that stands at its start has nothing to lose and is left out."""
    read_: dict[str, Place] = {}
    for first in range(0, len(found), _AT_ONCE):
        some = found[first : first + _AT_ONCE]
        parts = [f"SELECT {at}, last_value, is_called FROM {one.quoted}" for at, one in enumerate(some)]  # noqa: S608
        for at, value, called in ask(" UNION ALL ".join(parts)):
            if called or value != some[at].start:
                read_[some[at].quoted] = Place(int(value), bool(called), some[at].step)
    return read_


def furthest(one: Places, other: Places) -> dict[str, Place]:
    """Take the further place of each: a try that failed may have set it back, and others go on meanwhile."""
    behind = {name for name, place in one.items() if name in other and place.is_behind(other[name])}
    return {**other, **{name: place for name, place in one.items() if name not in behind}}


def used(risks: Iterable[Risk], stood: Places) -> list[Counted]:
    """Tell which of those that go have given numbers, and the last of them."""
    mine = [risk for risk in risks if risk.why == SEQUENCE and risk.quoted in stood]
    return [Counted(risk, stood[risk.quoted].value) for risk in mine]


def foreseen(ask: Ask, risks: Iterable[Risk]) -> list[Counted]:
    """As `used`, before anything is locked and without a look into what the environment owns."""
    asked = [(risk, ask(_CALLED, risk.schema, risk.table)) for risk in risks if risk.why == SEQUENCE]
    return [Counted(risk, int(rows[0][0])) for risk, rows in asked if rows and rows[0][0] is not None]


def put_back(ask: Ask, stood: Places) -> None:
    """Set each that is behind where it stood; never back: others may have gone on."""
    found = [one for one in read(ask) if one.quoted in stood]
    now = places(ask, found)
    for one in found:
        place = stood[one.quoted]
        if now.get(one.quoted, Place(one.start, False, one.step)).is_behind(place):
            ask("SELECT setval(%s::text::regclass, %s, %s)", one.quoted, place.value, place.called)


def put_back_alone(job: Job, stood: Places) -> None:
    """Do it on a connection of its own, as who migrates: for a change that was rolled back.

    Raises `Unavailable`, `DatabaseFailed`.
    """
    import psycopg  # noqa: PLC0415 - 90 ms, for releases that migrate only

    if not stood:
        return
    name = job.application_name
    with connect(job.access.migrate_url, application_name=name, autocommit=True) as own:
        try:
            put_back(asking(own), stood)
        except psycopg.Error as error:
            raise DatabaseFailed(
                f"sequences cannot be set where they stood ({type(error).__name__})",
                code="migration.sequence",
                next_command="gitops recover",
            ) from error
