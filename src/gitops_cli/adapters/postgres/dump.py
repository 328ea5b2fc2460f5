"""Copying a schema without its rows: pg_dump, then psql in one transaction."""

from __future__ import annotations

import subprocess
import tempfile
from typing import IO, TYPE_CHECKING, Any

from gitops_cli.adapters.postgres.place import environment
from gitops_cli.adapters.text import safe
from gitops_cli.errors import DatabaseFailed, StepTimeout

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.postgres.binaries import Binaries

_FLAGS = ("--schema-only", "--no-subscriptions", "--exclude-schema=gitops")
_ELSEWHERE = ("--no-tablespaces", "--no-security-labels", "--no-publications")
_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}


def copy_schema(  # noqa: PLR0913 - limits, by name
    binaries: Binaries, source: str, target: str, *, seconds: float, lock_timeout: float, same_server: bool
) -> None:
    """Write the schema of one database into an empty other one, both named by URL.

    The dump is read to its end before the first statement of it runs: a dump that breaks off would
    otherwise be committed as far as it came. Raises `DatabaseFailed`, `StepTimeout`, `Unavailable`.
    """
    with tempfile.TemporaryFile() as text:
        flags = _FLAGS if same_server else _FLAGS + _ELSEWHERE
        wait = f"--lock-wait-timeout={lock_timeout * 1000:.0f}"
        _run([binaries.program("pg_dump"), wait, *flags], source, seconds, output=text)
        text.seek(0)
        _run([binaries.program("psql"), *_PSQL], target, seconds, source=text)


_PSQL = (
    "--no-psqlrc",
    "--quiet",
    "--single-transaction",
    "--set=ON_ERROR_STOP=1",
    "--output=/dev/null",
    "--file=-",
)


def _run(
    command: list[str | Path],
    url: str,
    seconds: float,
    *,
    output: IO[bytes] | None = None,
    source: Any = None,
) -> None:
    """Run a program on a database. The password goes by environment: arguments are for all to read."""
    try:
        done = subprocess.run(
            command,
            env=environment() | _variables(url),
            cwd="/",
            stdin=source or subprocess.DEVNULL,
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StepTimeout(
            f"copying the schema took longer than {seconds:g} seconds", code="scratch.timeout"
        ) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if b"rror" in line] or done.stderr.splitlines()
        reason = safe(lines[0], 300) if lines else "no reason given"
        raise DatabaseFailed(f"the schema cannot be copied for the rehearsal: {reason}", code="scratch.copy")


def _variables(url: str) -> dict[str, str]:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - 90 ms, for releases with a database only

    parts = conninfo_to_dict(url)
    return {
        _VARIABLES[key]: str(value) for key, value in parts.items() if key in _VARIABLES and value is not None
    }
