"""The one place through which a superuser reads what an environment owns.

Who asks for a table's rows runs what its owner attached to them: the functions of a view that took the
table's place, and the expressions of its indexes and partition keys, which the planner works out already. As
superuser that is pushed code, or the app's, with every right on the server; SET ROLE is no fence, as a
function can RESET it. So a superuser's session asks the system catalogues, by the names that `connect` pins,
and beyond them only this. What must be computed is asked as the owner (`Access.migrate_url`), and a row is
never written as superuser: triggers and constraints run as whoever writes.

COPY of a table has no planner. It opens the table, refuses whatever else has its name by now, and writes what
is in the file with the output functions of the types, which only a superuser can define.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.text import safe
from gitops_cli.errors import DatabaseFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

Row = tuple[str | None, ...]


def rows(connection: psycopg.Connection[Any], schema: str, table: str, columns: Sequence[str]) -> list[Row]:
    """Give these columns of a table that is there, as PostgreSQL writes values, in no order.

    Raises `DatabaseFailed` for anything but a plain table with such columns that may be read.
    """
    import psycopg as library  # noqa: PLC0415 - 90 ms, for releases with a database only
    from psycopg import sql  # noqa: PLC0415

    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    query = sql.SQL("COPY {} ({}) TO STDOUT").format(sql.Identifier(schema, table), names)
    try:
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            return list(copy.rows())
    except library.ProgrammingError as error:
        said = safe(error.diag.message_primary or type(error).__name__, 200)
        raise DatabaseFailed(
            f"table {safe(schema)}.{safe(table)} cannot be read: {said}", code="database.read"
        ) from None
