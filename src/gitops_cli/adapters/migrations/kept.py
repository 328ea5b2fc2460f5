"""What a change destroys is copied out first, and put back when the change is taken back.

One folder for each release: `kept.json` says what is in which file, and each table's rows are a CSV file,
so that people can read it too. Values are found again by the table's key; a table without one is found
by ctid, which holds as long as nobody has updated the row or rewritten the table.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters.files import fsync_dir, private_dir, write_atomic
from gitops_cli.adapters.migrations import rowsecurity
from gitops_cli.adapters.migrations.inventory import by_table, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitops_cli.adapters.migrations.inventory import Risk
    from gitops_cli.adapters.migrations.session import Session

INDEX = "kept.json"
_KEY = """
SELECT (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k(num, n)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num)
FROM pg_index i WHERE i.indrelid = %s::text::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                  AND NOT a.attnotnull)
ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1
"""
_COLUMNS = """
SELECT attname::text FROM pg_attribute
WHERE attrelid = %s::text::regclass AND attnum > 0 AND NOT attisdropped
  AND attgenerated = '' ORDER BY attnum
"""
_REFERS = """
SELECT DISTINCT confrelid::regclass::text = %s, confrelid::bigint, conrelid::bigint FROM pg_constraint
WHERE contype = 'f' AND conrelid = %s::text::regclass
"""
_TRIGGERS = """
SELECT tgname::text FROM pg_trigger
WHERE tgrelid = %s::text::regclass AND NOT tgisinternal AND tgenabled = 'O'
"""
_ALWAYS = """
SELECT attname::text FROM pg_attribute
WHERE attrelid = %s::text::regclass AND attidentity = 'a' AND attnum > 0
"""
"""Identity columns that no UPDATE may touch."""
_CTID = "_gitops_ctid"


class Kept(msgspec.Struct, frozen=True):
    """One table's rows."""

    table: str
    """Quoted, with its schema."""
    file: str
    whole: bool
    """All rows; else the key and the columns at risk."""
    key: tuple[str, ...]
    columns: tuple[str, ...]


def keep(
    session: Session, risks: Sequence[Risk], folder: Path, only: Mapping[str, str] | None = None
) -> None:
    """Copy out what is at risk; durable when it returns. The tables are locked.

    `only` says in SQL, by table, which rows; without it all that hold something.
    """
    private_dir(folder)
    tables = by_table(risks)
    found = []
    for number, table in enumerate(_parents_first(session, list(tables))):
        members = tables[table]
        kept = _describe(session, table, members, f"{number:03}-{members[0].schema}.{members[0].table}"[:100])
        with (folder / kept.file).open("wb") as file:
            query = _query(kept, (only or {}).get(table, ""))
            session.copy_out(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)", file)
            file.flush()
            os.fsync(file.fileno())
        found.append(kept)
    write_atomic(folder / INDEX, msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    fsync_dir(folder.parent)


def restore(session: Session, folder: Path) -> None:
    """Put back what `keep` copied out; the schema is again as it was then."""
    found = msgspec.json.decode((folder / INDEX).read_bytes(), type=list[Kept])
    for kept in found:
        triggers = [quote(str(row[0])) for row in session.rows(_TRIGGERS, kept.table)]
        for name in triggers:
            session.rows(f"ALTER TABLE {kept.table} DISABLE TRIGGER {name}")
        with rowsecurity.suspended(session, [kept.table]), (folder / kept.file).open("rb") as file:
            _put(session, kept, file)
        for name in triggers:
            session.rows(f"ALTER TABLE {kept.table} ENABLE TRIGGER {name}")


def _describe(session: Session, table: str, members: Sequence[Risk], name: str) -> Kept:
    columns = tuple(str(row[0]) for row in session.rows(_COLUMNS, table))
    keys = session.rows(_KEY, table)
    key = tuple(map(str, keys[0][0])) if keys else ()
    whole = any(not risk.column for risk in members)
    wanted = columns if whole else tuple(risk.column for risk in members if risk.column not in key)
    if not whole and any(risk.column in key for risk in members):
        key, wanted = (), tuple(risk.column for risk in members)
    safe = "".join(char if char.isalnum() or char in "-_." else "_" for char in name)
    return Kept(table, safe + ".csv", whole, key, wanted)


def _query(kept: Kept, only: str) -> str:
    """Select what to copy: whole rows with their ctid, or key and values that are there."""
    key = [f"ctid::text AS {_CTID}"] if not kept.key else [quote(name) for name in kept.key if not kept.whole]
    columns = ", ".join([*key, *map(quote, kept.columns)])
    there = " OR ".join(f"{quote(name)} IS NOT NULL" for name in kept.columns) or "true"
    where = only or ("true" if kept.whole else there)
    return f"SELECT {columns} FROM {kept.table} WHERE {where}"  # noqa: S608 - quoted


def _put(session: Session, kept: Kept, file: IO[bytes]) -> None:
    """Load the file beside the table, update what differs and insert what is missing."""
    key = [] if not kept.key or kept.whole else [quote(name) for name in kept.key]
    columns = [quote(name) for name in kept.columns]
    ctid = [] if kept.key else [f"ctid::text AS {_CTID}"]
    session.rows("DROP TABLE IF EXISTS pg_temp._gitops_kept")
    session.rows(
        f"CREATE TEMP TABLE _gitops_kept ON COMMIT DROP AS SELECT {', '.join([*ctid, *key, *columns])}"  # noqa: S608
        f" FROM {kept.table} WITH NO DATA"
    )
    session.copy_in("COPY pg_temp._gitops_kept FROM STDIN (FORMAT csv, HEADER)", file)
    same = (
        " AND ".join(f"t.{quote(name)} = k.{quote(name)}" for name in kept.key) or f"t.ctid = k.{_CTID}::tid"
    )
    fixed = {*kept.key, *(str(row[0]) for row in session.rows(_ALWAYS, kept.table))}
    values = [quote(name) for name in kept.columns if name not in fixed]
    if values:
        differs = " OR ".join(f"t.{name}::text IS DISTINCT FROM k.{name}::text" for name in values)
        assigned = ", ".join(f"{name} = k.{name}" for name in values)
        session.rows(
            f"UPDATE {kept.table} t SET {assigned} FROM pg_temp._gitops_kept k"  # noqa: S608 - quoted
            f" WHERE {same} AND ({differs})"
        )
    if kept.whole:
        missing = "" if kept.key else f" AND NOT EXISTS (SELECT FROM {kept.table})"
        names = ", ".join(columns)
        session.rows(
            f"INSERT INTO {kept.table} ({names}) OVERRIDING SYSTEM VALUE"  # noqa: S608 - quoted
            f" SELECT {names} FROM pg_temp._gitops_kept k"
            f" WHERE NOT EXISTS (SELECT FROM {kept.table} t WHERE {same}){missing}"
        )


def _parents_first(session: Session, tables: Sequence[str]) -> list[str]:
    """Order tables so that rows can be inserted again: what is referred to comes first."""
    oids = {
        table: int(session.rows("SELECT %s::text::regclass::oid::bigint", table)[0][0]) for table in tables
    }
    names = {oid: table for table, oid in oids.items()}
    refers: dict[str, set[str]] = {
        table: {names[parent] for _, parent, _ in _foreign(session, table) if parent in names} - {table}
        for table in tables
    }
    done: list[str] = []
    while len(done) < len(tables):
        ready = [table for table in tables if table not in done and refers[table] <= set(done)]
        done += ready or [next(table for table in tables if table not in done)]  # a circle: any order
    return done


def _foreign(session: Session, table: str) -> list[list[Any]]:
    return session.rows(_REFERS, table, table)
