"""Which tables and columns there are, by (oid, attnum): a rename keeps them, drop-and-add does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitops_cli.adapters.migrations.session import Rows

QUERY = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, coalesce(pg_relation_filenode(c.oid), 0)::bigint,
       c.relispartition, a.attnum::int, a.attname::text, format_type(a.atttypid, a.atttypmod),
       a.attgenerated::text, a.attnotnull, a.atthasdef OR a.attidentity <> ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'gitops')
  AND c.relname <> 'alembic_version'
ORDER BY c.oid, a.attnum
"""
WROTE = """
SELECT relid::bigint, n_tup_upd::bigint, n_tup_del::bigint FROM pg_stat_xact_user_tables
WHERE n_tup_upd > 0 OR n_tup_del > 0
"""

SEQUENCE = "sequence"
"""As `Risk.why`: a sequence is dropped, and the place where it stands with it."""
REWRITTEN = "rewritten"
"""As `Risk.why`: the table has a new file, by a rewrite or by TRUNCATE."""
CHANGED = "changed"
"""As `Risk.why`: rows of the table were deleted, emptied or updated."""


class Column(msgspec.Struct, frozen=True):
    """One column."""

    name: str
    type: str
    generated: bool
    not_null: bool = False
    filled: bool = False
    """It has a default, or is an identity: an INSERT may leave it out."""

    @property
    def required(self) -> bool:
        """Whether an INSERT that does not know it fails."""
        return self.not_null and not self.filled and not self.generated


class Table(msgspec.Struct, frozen=True):
    """One table; `filenode` changes when it is rewritten or truncated."""

    oid: int
    schema: str
    name: str
    filenode: int
    partition: bool
    columns: dict[int, Column]

    @property
    def quoted(self) -> str:
        """Its name as SQL spells it."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    def risk(self, why: str) -> Risk:
        """Name all of its rows as what may be lost."""
        return Risk(self.schema, self.name, "", why)


Inventory = dict[int, Table]


class Risk(msgspec.Struct, frozen=True, order=True):
    """What a migration may destroy: a column, or with `column` empty all rows of a table."""

    schema: str
    table: str
    column: str
    why: str
    """dropped, retyped, rewritten, changed, sequence (then `table` is its name)."""

    @property
    def name(self) -> str:
        """As people write it, and as `-o accept-loss=` takes it: `items.note`, `other.items`."""
        shown = self.table if self.schema == "public" else f"{self.schema}.{self.table}"
        return f"{shown}.{self.column}" if self.column else shown

    @property
    def quoted(self) -> str:
        """The table as SQL spells it."""
        return f"{quote(self.schema)}.{quote(self.table)}"


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def inventory(rows: Rows) -> Inventory:
    """Read the rows of `QUERY`."""
    found: Inventory = {}
    for oid, schema, name, filenode, partition, attnum, *column in rows:
        table = found.setdefault(oid, Table(oid, schema, name, filenode, bool(partition), {}))
        if attnum is not None:
            title, kind, generated, not_null, filled = column
            table.columns[attnum] = Column(title, kind, bool(generated), bool(not_null), bool(filled))
    return found


def risks(before: Inventory, after: Inventory, *, rewrites: bool = False) -> list[Risk]:
    """Tell what is gone or may have lost values, by the names of before.

    With `rewrites` also tables whose file is new, whatever else became of them (TRUNCATE shows only so).
    """
    found = set()
    for oid, table in before.items():
        now = after.get(oid)
        if now is None:
            found.add(table.risk("dropped"))
            continue
        found.update(_columns(table, now))
        if rewrites and table.filenode and now.filenode != table.filenode:
            found.add(table.risk(REWRITTEN))
    return sorted(found)


def _columns(table: Table, now: Table) -> list[Risk]:
    if table.partition and now.partition:  # the parent tells
        return []
    found = []
    for attnum, column in table.columns.items():
        other = now.columns.get(attnum)
        if other is None and not column.generated:
            found.append(Risk(table.schema, table.name, column.name, "dropped"))
        elif other is not None and not keeps_values(column.type, other.type):
            found.append(Risk(table.schema, table.name, column.name, "retyped"))
    return found


_WIDER = {
    "smallint": {"integer", "bigint", "numeric"},
    "integer": {"bigint", "numeric"},
    "bigint": {"numeric"},
    "real": {"double precision"},
    "date": {"timestamp without time zone"},
    "json": {"jsonb"},
    "character varying": {"text"},
}
_ARGS = re.compile(r"^(?P<base>[a-z ]+?)\((?P<args>[\d,]+)\)$")


def keeps_values(old: str, new: str) -> bool:
    """Say whether every value of a type survives the change to another."""
    if old == new or new in _WIDER.get(old, set()):
        return True
    was, now = _ARGS.match(old), _ARGS.match(new)
    if was and was["base"] == "character varying" and new in {"text", "character varying"}:
        return True
    if was and now and was["base"] == now["base"]:
        one, two = ([int(part) for part in found["args"].split(",")] for found in (was, now))
        if was["base"] == "character varying":
            return one[0] <= two[0]
        if was["base"] == "numeric" and len(one) == len(two) == 2:  # noqa: PLR2004 - precision and scale
            return one[1] <= two[1] and one[0] - one[1] <= two[0] - two[1]
    return bool(was and was["base"] == "numeric" and new == "numeric")


def accepted(risk: Risk, accept: Sequence[str]) -> bool:
    """Say whether `-o accept-loss` covers it: `*` all, a table all its columns, or the column itself."""
    full = f"{risk.schema}.{risk.table}"
    names = {"*", risk.name, full, risk.table if risk.schema == "public" else full}
    if risk.column:
        names.add(f"{full}.{risk.column}")
    return not names.isdisjoint(accept)


def whole_tables(found: Iterable[Risk]) -> set[tuple[str, str]]:
    """Give schema and name of each table of which every row is counted: nothing more can be lost of it."""
    return {(risk.schema, risk.table) for risk in found if not risk.column}


def by_table(found: Sequence[Risk]) -> Mapping[str, list[Risk]]:
    """Group risks by their table, in the order of their names; sequences have no rows and are left out."""
    tables: dict[str, list[Risk]] = {}
    for risk in sorted(risk for risk in found if risk.why != SEQUENCE):
        tables.setdefault(risk.quoted, []).append(risk)
    return tables
