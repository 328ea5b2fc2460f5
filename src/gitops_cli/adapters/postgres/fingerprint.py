"""What a schema is: rows to compare, one digest, and what differs in words.

Compare fingerprints of one server only: PostgreSQL 18 catalogues NOT NULL as constraints, so the same
schema has more rows there than on 15.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters.postgres.catalogue import LABELS, QUERY
from gitops_cli.adapters.text import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import psycopg

_ORDER = "column-order"
_SHOWN = 80
"""How much of a property a line shows."""

_TABLES = (
    "SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
    " WHERE relkind IN ('r', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema'"
)

Key = tuple[str, str]


class Fingerprint(msgspec.Struct, frozen=True):
    """A schema: sorted rows (kind, name, properties as a JSON array)."""

    rows: tuple[tuple[str, str, str], ...] = ()

    @property
    def digest(self) -> str:
        """A hash of everything but the order of columns, which no downgrade can bring back."""
        return _hash([row for row in self.rows if row[0] != _ORDER])

    @property
    def exact(self) -> str:
        """A hash of everything."""
        return _hash(list(self.rows))


def take(
    connection: psycopg.Connection[Any],
    *,
    roles: Mapping[str, str] | None = None,
    version_table: str = "alembic_version",
) -> Fingerprint:
    """Read the schema of a connection's database; sees uncommitted changes of its transaction.

    Schema `gitops` and the version table do not count. `roles` maps role names, where the copy's owners are
    called differently. Raises psycopg's errors: it waits behind an ACCESS EXCLUSIVE lock for `lock_timeout`.
    """
    quoted = "'" + version_table.replace("'", "''") + "'"
    with _empty_search_path(connection):
        rows = _tuples(connection, QUERY.replace(":version_table:", quoted))
    return of_rows(rows, roles=roles)


def of_rows(rows: Iterable[Sequence[Any]], *, roles: Mapping[str, str] | None = None) -> Fingerprint:
    """Make a fingerprint of the rows of `catalogue.QUERY`, whoever ran it."""
    renamed = _renamer(roles or {})
    return Fingerprint(
        tuple(sorted((str(kind), renamed(name), _canonical(text, renamed)) for kind, name, text in rows))
    )


def difference(before: Fingerprint, after: Fingerprint) -> tuple[str, ...]:
    """Say, a line each, what differs; the order of columns is not a difference."""
    old, new = _table(before), _table(after)
    lines = []
    for kind, name in sorted(old.keys() | new.keys()):
        if kind == _ORDER:
            continue
        was, now = old.get((kind, name)), new.get((kind, name))
        what = f"{kind} {safe(name)}"
        if was is None:
            lines.append(f"{what}: added")
        elif now is None:
            lines.append(f"{what}: gone")
        elif was != now:
            lines.append(f"{what}: {_changed(kind, was, now)}")
    return tuple(lines)


diff = difference


def changes(before: Fingerprint, after: Fingerprint) -> frozenset[tuple[str, str, str | None, str | None]]:
    """Give (kind, name, was, now) of everything that differs, uncut: to compare two differences exactly."""
    old, new = _table(before), _table(after)
    return frozenset(
        (*key, old.get(key), new.get(key))
        for key in old.keys() | new.keys()
        if key[0] != _ORDER and old.get(key) != new.get(key)
    )


def column_order_changes(before: Fingerprint, after: Fingerprint) -> tuple[str, ...]:
    """Name the tables whose columns are the same and stand in another order: a note, not a failure."""
    old, new = _table(before), _table(after)
    return tuple(
        name
        for (kind, name), was in sorted(old.items())
        if kind == _ORDER
        and (now := new.get((kind, name), was)) != was
        and sorted(_properties(was)[0].split(",")) == sorted(_properties(now)[0].split(","))
    )


def rows_digest(connection: psycopg.Connection[Any], *, ours: bool = True) -> dict[str, tuple[int, str]]:
    """Give number and hash of the rows of every table, by `schema.table`; `ours` counts schema `gitops` too.

    Reads everything: for tests and small databases. The order of rows does not count.
    """
    with _empty_search_path(connection):
        names = _tuples(
            connection,
            _TABLES if ours else f"{_TABLES} AND nspname <> 'gitops'",
        )
        found = {}
        for (name,) in sorted(names):
            ((count, digest),) = _tuples(
                connection,
                "SELECT count(*), md5(coalesce(string_agg(h, '' ORDER BY h), ''))"  # noqa: S608 - quoted by %I
                f" FROM (SELECT md5((_gitops_row.*)::text) AS h FROM {name} AS _gitops_row) AS hashes",
            )
            found[name] = (count, digest)
    return found


@contextmanager
def _empty_search_path(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Make the server write full names, and leave the session exactly as it was."""
    with connection.transaction() if _idle(connection) else _nothing():
        ((path, zone),) = _tuples(
            connection, "SELECT current_setting('search_path'), current_setting('TimeZone')"
        )
        local = "SELECT set_config('search_path', %s, true), set_config('TimeZone', %s, true)"
        connection.execute(local, ("", "UTC"))
        yield
        connection.execute(local, (path, zone))  # forgotten, the next migration has no schema to create in


def _idle(connection: psycopg.Connection[Any]) -> bool:
    from psycopg.pq import TransactionStatus  # noqa: PLC0415 - 90 ms, for releases with a database only

    return connection.info.transaction_status == TransactionStatus.IDLE


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _tuples(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    from psycopg.rows import tuple_row  # noqa: PLC0415

    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query.encode(), prepare=False).fetchall()


def _renamer(roles: Mapping[str, str]) -> Callable[[str], str]:
    if not roles:
        return lambda text: text
    names = "|".join(map(re.escape, sorted(roles, key=len, reverse=True)))
    pattern = re.compile(rf"(?<!\w)({names})(?!\w)")
    return lambda text: pattern.sub(lambda match: roles[match[1]], text)


def _canonical(properties: str, renamed: Callable[[str], str]) -> str:
    """Rename roles in the properties; a list among them is a set, whose order follows the names."""
    values = [
        renamed(value)
        if isinstance(value, str)
        else sorted(map(renamed, value))
        if isinstance(value, list)
        else value
        for value in msgspec.json.decode(properties)
    ]
    return msgspec.json.encode(values).decode()


def _hash(rows: list[tuple[str, str, str]]) -> str:
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


def _table(fingerprint: Fingerprint) -> dict[Key, str]:
    """Index the rows. Two of one name (overloads cannot, odd constraints can) are joined."""
    found: dict[Key, str] = {}
    for kind, name, properties in fingerprint.rows:
        found[kind, name] = found.get((kind, name), "") + properties
    return found


def _properties(text: str) -> list[Any]:
    try:
        return list(msgspec.json.decode(text))
    except msgspec.MsgspecError:
        return [text]


def _changed(kind: str, was: str, now: str) -> str:
    old, new = _properties(was), _properties(now)
    labels = LABELS.get(kind, ())
    if not len(old) == len(new) == len(labels):
        return f"{safe(was, _SHOWN)} became {safe(now, _SHOWN)}"
    return ", ".join(
        f"{label} {_shown(a)} became {_shown(b)}"
        for label, a, b in zip(labels, old, new, strict=True)
        if a != b
    )


def _shown(value: Any) -> str:
    if value in (None, "", []):
        return "none"
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return safe(" ".join(str(value).split()), _SHOWN)
