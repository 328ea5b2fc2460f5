"""Trying until nobody's lock is in the way, with everything rolled back in between.

Never sleep while holding locks: `lock_timeout` is the worst stall that users see (facts, B2), so a whole
transaction is rolled back and begun again, with a pause of random length.
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters import clock
from gitops_cli.adapters.migrations.problems import MigrationFailed, as_error
from gitops_cli.adapters.postgres.blockers import blockers
from gitops_cli.errors import DatabaseFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from gitops_cli.adapters.migrations.job import Job
    from gitops_cli.adapters.migrations.session import Session

PAUSE = (0.05, 0.3)
"""Seconds between two tries, at random, so that two who wait for each other part."""
_DEADLOCK = "40P01"


class Tries:
    """The tries of one transaction."""

    def __init__(self, job: Job, admin: psycopg.Connection[Any]) -> None:
        """`admin` looks who is in the way."""
        self._job, self._admin = job, admin
        self._in_the_way = ""
        self.pid = 0
        """The backend that waits."""
        self.deadlocked = False

    def look(self) -> None:
        """See who is in the way while the child waits."""
        if self.pid:
            with suppress(Exception):  # only for the message
                self._in_the_way = next(iter(blockers(self._admin, waiting=self.pid)), self._in_the_way)

    def until_locks(self, session: Session, attempt: Callable[[Session], None]) -> None:
        """Try until the locks are to be had. Raises `MigrationFailed`, `DatabaseFailed` with the holder."""
        self.pid = session.pid
        deadline = clock.monotonic() + self._job.limits.lock
        while True:
            try:
                attempt(session)
            except MigrationFailed as failed:
                session.rollback()
                if not failed.may_retry:
                    raise
                self.deadlocked = self.deadlocked or failed.problem.state == _DEADLOCK
                if clock.monotonic() > deadline:
                    raise self._no_locks(failed) from None
                clock.pause(random.uniform(*PAUSE))  # noqa: S311 - jitter
            else:
                return

    def _no_locks(self, failed: MigrationFailed) -> DatabaseFailed:
        error = as_error(failed, self._job.files, self._job.env_file)
        held = self._in_the_way or next(iter(blockers(self._admin, without=self._job.application_name)), "")
        who = f": {held}" if held else ""
        return DatabaseFailed(
            f"the locks it needs were not to be had within {self._job.limits.lock:g} s{who}",
            code="migration.lock",
            file=error.file,
            line=error.line,
            next_command="push again when that session has ended",
        )
