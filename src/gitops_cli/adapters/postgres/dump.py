"""Copying a schema without its rows: pg_dump, then pg_restore, of the app's things as one of its roles."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from gitops_cli.adapters.postgres import contents
from gitops_cli.adapters.postgres.opening import opened
from gitops_cli.adapters.postgres.place import environment
from gitops_cli.adapters.text import safe
from gitops_cli.errors import DatabaseFailed, StepTimeout

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.postgres.binaries import Binaries

_ARCHIVE = ("--format=custom", "--compress=0")
_FLAGS = ("--schema-only", "--no-subscriptions", "--exclude-schema=gitops")
_ELSEWHERE = ("--no-tablespaces", "--no-security-labels", "--no-publications")
_WHOLE = ("--single-transaction", "--no-password")
_SESSION = {"PGOPTIONS": "-c role=none -c default_transaction_read_only=off"}
"""Over what a role or a database sets for its sessions: who creates, and whether anything may be."""
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


@dataclass(frozen=True)
class Target:
    """An empty database, and as whom a schema is written into it. Its URLs hold passwords."""

    admin_url: str = field(repr=False)
    """As superuser."""
    owner_url: str = field(repr=False)
    """As a role that may act as each of `owners`, and is no superuser."""
    owners: frozenset[str]
    """Whose things are created as `owner_url`, not as superuser (see `contents`)."""


def copy_schema(  # noqa: PLR0913 - limits, by name
    binaries: Binaries, source: str, target: Target, *, seconds: float, lock_timeout: float, same_server: bool
) -> None:
    """Write the schema of one database, named by URL, into an empty other one.

    What fails half-way leaves it half-filled, for the caller to drop. It is an archive and never a script:
    psql would obey what a crafted name makes it read (CVE-2025-8715). `seconds` is for each run of a program.
    Raises `DatabaseFailed`, `StepTimeout`, `Unavailable`.
    """
    with tempfile.TemporaryFile() as archive:
        flags = _FLAGS if same_server else _FLAGS + _ELSEWHERE
        wait = f"--lock-wait-timeout={lock_timeout * 1000:.0f}"
        _run(
            [binaries.program("pg_dump"), *_ARCHIVE, wait, *flags],
            _variables(source),
            seconds,
            output=archive,
        )
        restore = _Restore(binaries.program("pg_restore"), archive, target, seconds)
        for part in contents.parts(restore.listed(), target.owners):
            restore.run(part)


@dataclass(frozen=True)
class _Restore:
    program: Path
    archive: IO[bytes]
    target: Target
    seconds: float

    def listed(self) -> bytes:
        with tempfile.TemporaryFile() as text:
            self.archive.seek(0)
            _run([self.program, "--list"], {}, self.seconds, source=self.archive, output=text)
            text.seek(0)
            return text.read()

    def run(self, part: contents.Part) -> None:
        import psycopg  # noqa: PLC0415 - 90 ms, for releases with a database only

        if part.as_superuser:
            self._write(part, _variables(self.target.admin_url))
            return
        owner = _variables(self.target.owner_url)
        try:
            with opened(self.target.admin_url, {*self.target.owners, owner["PGUSER"]}):
                self._write(part, owner)
        except psycopg.Error as error:
            raise _failed(error.diag.message_primary or type(error).__name__) from None

    def _write(self, part: contents.Part, variables: dict[str, str]) -> None:
        with tempfile.TemporaryFile() as wanted:
            wanted.write(b"".join(entry + b"\n" for entry in part.entries))
            wanted.seek(0)
            self.archive.seek(0)
            number = wanted.fileno()
            owner = () if part.keep_owner else ("--no-owner",)
            options = (f"--use-list=/dev/fd/{number}", f"--dbname={variables['PGDATABASE']}")
            _run(
                [self.program, *_WHOLE, *owner, *options],
                variables | _SESSION,
                self.seconds,
                source=self.archive,
                keep=(number,),
            )


def _run(  # noqa: PLR0913 - a program and its files, by name
    command: list[str | Path],
    variables: dict[str, str],
    seconds: float,
    *,
    output: IO[bytes] | None = None,
    source: IO[bytes] | None = None,
    keep: tuple[int, ...] = (),
) -> None:
    """Run a program on a database. The password goes by environment: arguments are for all to read."""
    try:
        done = subprocess.run(
            command,
            env=environment() | variables,
            cwd="/",
            stdin=source or subprocess.DEVNULL,
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=keep,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StepTimeout(
            f"copying the schema took longer than {seconds:g} seconds", code="scratch.timeout"
        ) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if b"rror" in line] or done.stderr.splitlines()
        raise _failed(lines[0] if lines else "no reason given")


def _failed(said: str | bytes) -> DatabaseFailed:
    return DatabaseFailed(
        f"the schema cannot be copied for the rehearsal: {safe(said, 300)}", code="scratch.copy"
    )


def _variables(url: str) -> dict[str, str]:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - 90 ms, for releases with a database only

    parts = conninfo_to_dict(url)
    return {
        _VARIABLES[key]: str(value) for key, value in parts.items() if key in _VARIABLES and value is not None
    }
