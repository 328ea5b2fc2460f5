"""The ledger: which revision ran when, with which text, and what schema it left. It lives in the database.

Its rows are written in the transaction of the migrations themselves, and a take-back deletes those of its
release in its own: whether a release's migrations are in effect is the question whether it has rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

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
_EXISTS = "SELECT to_regclass('gitops.ledger') IS NOT NULL"


class Entry(msgspec.Struct, frozen=True):
    """The newest row of one revision."""

    revision: str
    direction: str
    blob: str
    file: str


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
    """Say whether a release's migrations are in effect."""
    if not _there(admin):
        return False
    found = admin.execute("SELECT 1 FROM gitops.ledger WHERE release = %s LIMIT 1", (release,)).fetchone()
    return found is not None


def read(admin: psycopg.Connection[Any]) -> Ledger:
    """Read the newest row of each revision, and the schema that the last one left."""
    if not _there(admin):
        return Ledger()
    rows = admin.execute(
        "SELECT DISTINCT ON (revision) revision, direction, blob, file FROM gitops.ledger"
        " ORDER BY revision, id DESC"
    ).fetchall()
    last = admin.execute("SELECT schema_after, number FROM gitops.ledger ORDER BY id DESC LIMIT 1").fetchone()
    entries = {str(row[0]): Entry(*map(str, row)) for row in rows}
    return Ledger(entries, str(last[0]), int(last[1])) if last else Ledger()


def _there(admin: psycopg.Connection[Any]) -> bool:
    row = admin.execute(_EXISTS).fetchone()
    return bool(row and row[0])
