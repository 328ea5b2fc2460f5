"""The ledger: which revision ran when, with which text, and what schema it left. It lives in the database.

Its rows are written in the transaction of the migrations themselves, and a take-back deletes those of its
release in its own: whether a release's migrations are in effect is the question whether it has rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters.postgres import owned
from gitops_cli.errors import DatabaseFailed

if TYPE_CHECKING:
    import psycopg

    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.plan import Change
    from gitops_cli.adapters.migrations.session import Session

_MAKE = (
    "CREATE SCHEMA IF NOT EXISTS gitops",
    """CREATE TABLE IF NOT EXISTS gitops.ledger (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      revision text NOT NULL, direction text NOT NULL, file text NOT NULL, blob text NOT NULL,
      script text NOT NULL, schema_before text NOT NULL, schema_after text NOT NULL, xid text NOT NULL,
      release text NOT NULL, number bigint NOT NULL, actor text NOT NULL,
      at timestamptz NOT NULL DEFAULT clock_timestamp(), seconds double precision NOT NULL)""",
    "COMMENT ON TABLE gitops.ledger IS 'written by gitops: what ran here, with its text'",
)
_INSERT = """INSERT INTO gitops.ledger
  (revision, direction, file, blob, script, schema_before, schema_after, xid, release, number, actor, seconds)
  SELECT m->>'revision', m->>'direction', m->>'file', m->>'oid', m->>'script', %s, %s, %s, %s, %s, %s,
         (m->>'seconds')::float8
  FROM jsonb_array_elements(%s::jsonb) m"""
_READ = ("id", "revision", "direction", "blob", "file", "schema_after", "number")
_EXISTS = "SELECT to_regclass('gitops.ledger') IS NOT NULL"


class Entry(msgspec.Struct, frozen=True):
    """The newest row of one revision."""

    revision: str
    direction: str
    blob: str
    file: str


class _Row(msgspec.Struct, frozen=True, order=True):
    """What `_READ` names."""

    id: int
    revision: str
    direction: str
    blob: str
    file: str
    schema_after: str
    number: int


class Ledger(msgspec.Struct, frozen=True):
    """What the ledger says, seen from outside."""

    entries: dict[str, Entry] = {}
    schema: str = ""
    """The digest of the schema after the last release; empty: nothing is recorded."""
    number: int = 0
    """The release that left it."""


def write(  # noqa: PLR0913 - all but the first by name
    session: Session,
    job: Job,
    change: Change,
    *,
    schemas: tuple[str, str],
    xid: str,
    seconds: dict[str, float],
) -> None:
    """Add a row for each revision of a change; `schemas` are the digests before and after."""
    rows = [
        {
            "revision": move.revision,
            "direction": move.direction,
            "file": move.file,
            "oid": move.oid,
            "script": job.texts.get(move.oid, "").replace("\0", ""),
            "seconds": seconds.get(move.revision, 0.0),
        }
        for move in change.moves
    ]
    if not session.rows(_EXISTS)[0][0]:
        session.sql(*((statement, ()) for statement in _MAKE))
    values = (*schemas, xid, job.release, job.number, job.actor.replace("\0", ""))
    session.sql((_INSERT, (*values, msgspec.json.encode(rows).decode())))


def forget(session: Session, release: str) -> None:
    """Delete a release's rows: it has been taken back. The ledger goes with the last of them."""
    session.rows("DELETE FROM gitops.ledger WHERE release = %s", release)
    if not session.rows("SELECT 1 FROM gitops.ledger LIMIT 1"):
        session.rows("DROP TABLE gitops.ledger")
        # the operator is called gitops too: what he made without a schema's name is in here
        if not session.rows("SELECT 1 FROM pg_class WHERE relnamespace = 'gitops'::regnamespace LIMIT 1"):
            session.rows("DROP SCHEMA gitops")


def has(admin: psycopg.Connection[Any], release: str) -> bool:
    """Say whether a release's migrations are in effect. Raises `DatabaseFailed` for a damaged ledger."""
    return _there(admin) and (release,) in owned.rows(admin, "gitops", "ledger", ["release"])


def read(admin: psycopg.Connection[Any]) -> Ledger:
    """Read the newest row of each revision, and the schema that the last one left.

    Raises `DatabaseFailed` for a ledger that is no longer the table that gitops made.
    """
    if not _there(admin):
        return Ledger()
    found = owned.rows(admin, "gitops", "ledger", _READ)
    try:
        rows = sorted(map(_row, found))
    except ValueError:
        said = "gitops.ledger is not the table that gitops made"
        raise DatabaseFailed(said, code="database.read") from None
    entries = {row.revision: Entry(row.revision, row.direction, row.blob, row.file) for row in rows}
    return Ledger(entries, rows[-1].schema_after, rows[-1].number) if rows else Ledger()


def _there(admin: psycopg.Connection[Any]) -> bool:
    row = admin.execute(_EXISTS).fetchone()
    return bool(row and row[0])


def _row(values: owned.Row) -> _Row:
    number, revision, direction, blob, file, schema, release = map(str, values)
    return _Row(int(number), revision, direction, blob, file, schema, int(release))
