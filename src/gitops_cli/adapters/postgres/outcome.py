"""What became of a transaction whose answer was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import psycopg

Result = Literal["committed", "aborted", "in progress", "unknown"]


def transaction_outcome(admin: psycopg.Connection[Any], xid: int | str) -> Result:
    """Ask what became of a transaction by its `pg_current_xact_id()`; `admin` is in autocommit mode.

    `unknown`: so old that the server has forgotten. A number from the future means `aborted`: the server
    crashed before any of it reached the disk. After such a crash the number may be given again, so a
    migration is settled by its ledger row and `alembic_version` as well.
    """
    import psycopg  # noqa: PLC0415 - 90 ms, for releases with a database only

    try:
        row = admin.execute("SELECT pg_xact_status(%s::text::xid8)", (str(xid),)).fetchone()
    except psycopg.errors.InvalidParameterValue:  # "transaction ID ... is in the future"
        return "aborted"
    answers: dict[str | None, Result] = {
        "committed": "committed",
        "aborted": "aborted",
        "in progress": "in progress",
    }
    return answers.get(row[0] if row else None, "unknown")
