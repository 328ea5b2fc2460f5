"""A connection with limits, and what to say when there is none."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters import clock
from gitops_cli.adapters.text import safe
from gitops_cli.errors import DatabaseFailed, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

OLDEST = 14
"""`client_connection_check_interval` came with it; older servers keep a dead client's locks."""
_CONNECT_SECONDS = 5
_RECOVERY_SECONDS = 60.0
"""How long a server may say that it cannot take sessions yet: one whose backend was killed recovers first."""
_NOT_YET = "the database system is "
_LOOK_AGAIN = 0.05
_NAME_LIMIT = 63
"""NAMEDATALEN - 1: the server cuts application names there."""


def connect(  # noqa: PLR0913 - limits, all by name
    url: str,
    *,
    application_name: str,
    statement_timeout: float = 300.0,
    lock_timeout: float = 5.0,
    idle_timeout: float = 60.0,
    autocommit: bool = False,
) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection; all limits are in seconds, 0 is none.

    `idle_timeout` is for idling in a transaction. A dead host is noticed in 25 s (keepalives), a dead
    client in 1 s, a server that starts or recovers is waited for. Names without a schema are found in
    `pg_catalog` alone. Raises `Unavailable` in one sentence without the password.
    """
    import psycopg  # noqa: PLC0415 - 90 ms, for releases with a database only

    connection = _open(url, application_name[:_NAME_LIMIT])
    try:
        _check_version(connection.info.server_version)
        connection.execute(
            # before any function is looked up: the database's owner sets the path that a session begins with
            "SET search_path = pg_catalog, pg_temp;"
            f"SET statement_timeout = {_milliseconds(statement_timeout)};"
            f"SET lock_timeout = {_milliseconds(lock_timeout)};"
            f"SET idle_in_transaction_session_timeout = {_milliseconds(idle_timeout)}"
        )
        with suppress(psycopg.errors.InvalidParameterValue):  # a server that is not on Linux
            connection.execute("SET client_connection_check_interval = 1000")
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


def _open(url: str, application_name: str) -> psycopg.Connection[tuple[Any, ...]]:
    import psycopg  # noqa: PLC0415 - 90 ms, for releases with a database only

    until = clock.monotonic() + _RECOVERY_SECONDS
    while True:
        try:
            return psycopg.connect(
                url,
                autocommit=True,
                application_name=application_name,
                connect_timeout=_CONNECT_SECONDS,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=15_000,
            )
        except psycopg.Error as error:
            if clock.monotonic() > until or _NOT_YET not in str(error):
                raise cannot_connect(error, url) from None
            clock.pause(_LOOK_AGAIN)


def cannot_connect(error: Exception, url: str) -> Unavailable:
    """Make one sentence of a failed connection. The password and the address's text are never in it."""
    import psycopg  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return Unavailable("the database's address is no PostgreSQL URL", code="database.setting")
    name = safe(str(parts.get("dbname") or ""), 63)
    user = safe(str(parts.get("user") or ""), 63)
    said = str(error)
    for secret in filter(None, (url, str(parts.get("password") or ""))):
        said = said.replace(secret, "***")
    if "password authentication failed" in said or "no password supplied" in said:
        return Unavailable(f"the database refuses the password of {user}", code="database.password")
    if f'database "{parts.get("dbname")}" does not exist' in said:
        return Unavailable(f"there is no database {name} on that server", code="database.missing")
    if "role" in said and "does not exist" in said:
        return Unavailable(f"there is no database role {user} on that server", code="database.role")
    lines = (
        [line for line in said.splitlines() if "failed: " in line] or said.splitlines() or ["no reason given"]
    )
    reason = lines[0].strip().removeprefix("connection failed: ")
    return Unavailable(f"the database cannot be reached: {safe(reason, 400)}", code="database.unreachable")


def asking(connection: psycopg.Connection[Any]) -> Callable[..., list[list[Any]]]:
    """Give what runs a statement with its values and gives the rows, as a migration's session does."""

    def ask(query: str, *values: Any) -> list[list[Any]]:
        return [list(row) for row in connection.execute(query.encode(), values or None).fetchall()]

    return ask


def end_backends(
    admin: psycopg.Connection[Any], application_name: str, *, seconds: float = 10.0, prefix: bool = False
) -> int:
    """End the sessions of a dead client, wait until they are gone, and give their number.

    `kill -9` of a client does not stop its statement: its transaction may still commit. So whoever settles
    a dead release ends its sessions before looking. `prefix` matches every name that begins so.
    `admin` is in autocommit mode. Raises `DatabaseFailed` when one does not end within `seconds`.
    """
    name = application_name[:_NAME_LIMIT]
    match = "starts_with(application_name, %s)" if prefix else "application_name = %s"
    others = f"FROM pg_stat_activity WHERE {match} AND pid <> pg_backend_pid()"
    ended = admin.execute(
        f"SELECT pg_terminate_backend(pid, %s) {others}",
        (_milliseconds(seconds), name),
    ).fetchall()
    left = admin.execute(f"SELECT pid {others}", (name,)).fetchall()
    if left:
        raise DatabaseFailed(
            f"the session of a dead release (backend {left[0][0]}) does not end", code="database.backend"
        )
    return len(ended)


def _check_version(version: int) -> None:
    if version < OLDEST * 10_000:
        raise Unavailable(
            f"the database server is PostgreSQL {version // 10_000}; gitops needs {OLDEST} or newer",
            code="database.version",
        )


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
