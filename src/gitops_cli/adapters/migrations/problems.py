"""What the child says when something goes wrong, and the one sentence that people read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.errors import BadMigration, DatabaseFailed, GitopsError, StepTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

_WAITED = frozenset({"55P03", "40P01", "40001"})
"""lock_not_available, deadlock_detected, serialization_failure: the whole transaction may be tried again."""
_CONNECTION = frozenset({"57P", "080", "08P"})
"""admin_shutdown, crash_shutdown, cannot_connect_now; connection exceptions."""
_LOST = frozenset({"OperationalError", "InterfaceError"})
_OWN_COMMIT = "2D000"
PRIVILEGE = "42501"
_TOO_MANY = "53300"


class Problem(msgspec.Struct, frozen=True):
    """An exception of the child, as plain data. Nothing of it is trusted but its shape."""

    kind: str
    type: str
    text: str
    state: str = ""
    place: tuple[str, int] | None = None
    autocommit_block: bool = False
    direction: str = ""
    revision: str = ""
    configured: bool = False


class MigrationFailed(Exception):
    """The child answered with a problem; its transaction has to be rolled back."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        super().__init__(problem.text)
        self.problem = problem

    @property
    def may_retry(self) -> bool:
        """Whether somebody else's lock was in the way."""
        return self.problem.state in _WAITED


class ChildGone(Exception):
    """The child ended without an answer: killed, out of memory, or `os._exit`."""

    def __init__(self, code: int, revision: str) -> None:
        """`code` is as of `subprocess`: -N for signal N."""
        super().__init__(f"exit code {code}")
        self.code = code
        self.revision = revision


def as_error(  # noqa: PLR0911 - one return for each kind of problem
    failed: MigrationFailed, files: Mapping[str, str], env: str
) -> GitopsError:
    """Make one sentence of a problem; `files` gives the file of each revision, `env` names env.py."""
    problem = failed.problem
    file, line = problem.place or (files.get(problem.revision, ""), 0)
    lost = problem.state[:3] in _CONNECTION or (problem.type in _LOST and not problem.state)
    if lost and not file:  # our own connection, before anything of the project ran
        return DatabaseFailed(_said(problem), code="migration.connection", next_command="push again")
    if problem.kind == "ignored" or (not problem.configured and not problem.revision):
        return _env(problem, env)
    if problem.kind == "signalled":
        return BadMigration("a migration may not send signals", code="migration.signal", file=file, line=line)
    if problem.kind == "smuggled" and not file.endswith(files.get(problem.revision, file)):
        file, line = files[problem.revision], 0
    if problem.kind == "smuggled" or problem.state == _OWN_COMMIT:
        cause = (
            "it ends the transaction that holds all migrations (COMMIT, ROLLBACK, `connection.commit()` or "
            "SET CONSTRAINTS ALL IMMEDIATE); gitops commits when everything has succeeded"
        )
        return BadMigration(cause, code="migration.commit", file=file, line=line)
    if problem.autocommit_block:
        cause = "autocommit_block() would commit everything before it; a push is one transaction"
        return BadMigration(cause, code="migration.autocommit", file=file, line=line)
    if problem.type == "AttributeError" and problem.text.endswith(f"attribute '{problem.direction}grade'"):
        cause = f"there is no function {problem.direction}grade()"
        return BadMigration(cause, code="migration.no-downgrade", file=files.get(problem.revision, ""))
    if failed.may_retry:
        return DatabaseFailed(_said(problem), code="migration.lock", file=file, line=line)
    if lost:
        return DatabaseFailed(_said(problem), code="migration.connection", next_command="push again")
    code = "migration.privilege" if problem.state == PRIVILEGE else "migration.failed"
    return BadMigration(_said(problem), code=code, file=file, line=line)


def _said(problem: Problem) -> str:
    way = f"{problem.direction}grade failed: " if problem.direction else ""
    return f"{way}{problem.type}: {problem.text}".rstrip(". :")


def _env(problem: Problem, env: str) -> BadMigration:
    """Refuse an env.py that does not use the connection it is handed; `Job.session` shows what to paste."""
    file, line = problem.place or (env, 0)
    if problem.type == "SyntaxError":
        cause = f"is not valid Python: {problem.text}"
        return BadMigration(cause, code="migration.syntax", file=file, line=line)
    if problem.state == _TOO_MANY:
        cause = "it opens a second connection, and a migration has one"
    elif problem.kind == "ignored":
        cause = "it opens a connection of its own instead of the one that gitops hands it"
    else:
        cause = (
            f"it fails before it uses the connection that gitops hands it ({problem.type}: {problem.text})"
        )
    return BadMigration(cause, code="migration.env", file=file, line=line if file == env else 0)


def gone(error: ChildGone, files: Mapping[str, str]) -> BadMigration:
    """Make one sentence of a child that ended without a word."""
    how = f"signal {-error.code}" if error.code < 0 else f"exit code {error.code}"
    cause = f"the migration ended its own process ({how})"
    return BadMigration(cause, code="migration.died", file=files.get(error.revision, ""))


def too_long(seconds: float, revision: str, files: Mapping[str, str]) -> StepTimeout:
    """Make one sentence of a migration that did not end in time."""
    cause = f"it did not end within {seconds:g} s, the limit of remote.yaml"
    return StepTimeout(cause, code="migration.timeout", file=files.get(revision, ""))
