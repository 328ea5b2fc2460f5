"""What a rehearsal, an application and a take-back need to know of one release."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitops_cli.adapters.files import read_or_none
from gitops_cli.adapters.migrations.problems import ChildGone, MigrationFailed, as_error, gone
from gitops_cli.adapters.migrations.runtime import Worker
from gitops_cli.adapters.migrations.session import Session
from gitops_cli.adapters.postgres.relay import Relay
from gitops_cli.adapters.sandbox import uid_for
from gitops_cli.config.envpy import LINES_TO_PASTE, where_to_paste

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.migrations.plan import Change
    from gitops_cli.adapters.migrations.runtime import Interpreter, Source
    from gitops_cli.adapters.postgres.access import Access
    from gitops_cli.adapters.processes import Identity
    from gitops_cli.adapters.sandbox import Level
    from gitops_cli.errors import GitopsError

LOCK_TIMEOUT = 0.5
"""Seconds: the longest stall that users of a table see behind a waiting migration (facts, B2)."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds."""

    rehearsal: float = 300.0
    migration: float = 300.0
    lock: float = 10.0
    """For all tries to get the locks together."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One release's migrations."""

    home: Home
    environment: str
    access: Access
    level: Level
    interpreter: Interpreter
    sources: Mapping[str, Source]
    """By tree: `new` is the pushed commit, `old` the live one."""
    change: Change
    texts: Mapping[str, str]
    """Text of each revision's file, by its blob id: for the ledger."""
    irreversible: frozenset[str]
    """Revisions that say they have no way back."""
    release: str
    number: int
    actor: str
    accept: tuple[str, ...]
    """What `-o accept-loss` named; `*` for all."""
    allow_loss: bool
    """Whether the operator lets a push accept a loss at all."""
    allow_irreversible: bool
    limits: Limits
    says: Callable[[str], None]
    started: Callable[[Identity], None] = field(repr=False)

    @property
    def application_name(self) -> str:
        """As which the server knows our sessions: whoever settles a dead release ends them by it."""
        return f"gitops:{self.release}"

    @property
    def files(self) -> dict[str, str]:
        """The file of each revision."""
        return {move.revision: move.file for move in self.change.moves}

    @property
    def env_file(self) -> str:
        """The env.py of the pushed tree, else of the live one."""
        source = self.sources.get("new") or self.sources["old"]
        return f"{source.folder}/env.py"

    def settings(self, seconds: float) -> tuple[str, ...]:
        """Limits of a transaction; the last lets the server notice a dead client (facts, C7)."""
        limit = int(seconds * 1000)
        return (
            f"SET LOCAL lock_timeout = {int(LOCK_TIMEOUT * 1000)}",
            f"SET LOCAL statement_timeout = {limit}",
            f"SET LOCAL idle_in_transaction_session_timeout = {limit}",
            "SET client_connection_check_interval = 1000",
        )

    @contextmanager
    def session(self, url: str, seconds: float, idle: Callable[[], None] | None = None) -> Iterator[Session]:
        """Start a child on a database that is reached by a Unix socket."""
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - 90 ms, for releases that migrate only

        where = {**conninfo_to_dict(url), "application_name": self.application_name, "connect_timeout": 10}
        worker = Worker(
            interpreter=self.interpreter,
            level=self.level,
            sources=self.sources,
            where=where,
            seconds=seconds,
            files=self.files,
            uid=uid_for(self.home.digest, self.environment, "migrations"),
            started=self.started,
        )
        try:
            with Session(worker, says=self.says, idle=idle) as session:
                yield session
        except MigrationFailed as failed:
            error = as_error(failed, self.files, self.env_file)
            if error.code == "migration.env":
                self._show_lines(error)
            raise error from None
        except ChildGone as error:
            raise gone(error, self.files) from None

    def _show_lines(self, error: GitopsError) -> None:
        """Print the lines that env.py lacks, each as a line of its own: a sentence cannot be pasted."""
        source = self.sources.get("new") or self.sources["old"]
        data = read_or_none(source.root / self.env_file) or b""  # a file: links were refused
        for line in LINES_TO_PASTE.splitlines():
            self.says(line)
        where = where_to_paste(self.env_file, data)
        error.next_command = f"paste those lines (`gitops validate` shows them too) {where}"

    @contextmanager
    def live_url(self) -> Iterator[str]:
        """Give the address of the live database by Unix socket, through a relay where it has none."""
        if self.access.socket_dir is not None:
            yield self.access.migrate_url
            return
        with Relay(self.home, self.access.migrate_url) as relay:
            yield relay.url
