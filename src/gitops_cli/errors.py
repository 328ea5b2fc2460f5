"""Everything gitops says when it refuses or fails: one tree, stable codes.

    GitopsError                 code, stage, cause, place, what changed, next command
    ├── UsageError              exit 2: the command line is wrong
    ├── Refused                 exit 1: the input or a rule says no; nothing was begun
    │   ├── BadInput            a file that was pushed or written is wrong: file and line
    │   │   └── LimitExceeded   larger, deeper or more than the limits allow
    │   ├── BadRef              a ref name, a deletion, a rewrite of history
    │   ├── BadMigration        the migration history cannot be released
    │   ├── LossRefused         a rollback would lose data that is there
    │   └── PolicyRefused       remote.yaml does not allow it
    ├── Failed                  exit 1: a step began and was undone
    │   ├── StepTimeout         it took longer than its limit
    │   ├── Unhealthy           a workload cannot become ready
    │   ├── DatabaseFailed      PostgreSQL said no
    │   └── Stopped             a signal ended it
    ├── Stuck                   exit 1: an undo failed too; the next push or `gitops recover` tries again
    ├── Unavailable             exit 1: something this machine must have is missing or does not answer
    │   └── JournalLost         a journal can no longer be written: this process may not go on with it
    └── Bug                     exit 3: ours

Codes never change their meaning; a new cause gets a new code. The text of a cause may hold what
came from a push: whoever prints it escapes it (`adapters.text.safe`).
"""

from __future__ import annotations

NOTHING_CHANGED = "nothing was changed"


class GitopsError(Exception):
    """One clear sentence: stage, cause, place, what was changed, the next command.

    `also` holds what else was found at the same time, each of it for a line of its own.
    """

    exit_code = 1
    default_code = "gitops.error"
    default_next = ""
    """The next command where a file is named and whoever raises it knows no better."""

    def __init__(  # noqa: PLR0913 - the parts of the sentence, all but the first by name
        self,
        cause: str,
        *,
        code: str = "",
        stage: str = "",
        file: str = "",
        line: int = 0,
        changed: str = NOTHING_CHANGED,
        next_command: str = "",
        also: tuple[str, ...] = (),
    ) -> None:
        """Keep the parts; `sentence` puts them together. `line` counts from 1; 0 means no line."""
        super().__init__(cause)
        self.cause = cause
        self.code = code or self.default_code
        self.stage = stage
        self.file = file
        self.line = line
        self.changed = changed
        self.next_command = next_command or (self.default_next if file else "")
        self.also = also

    @property
    def place(self) -> str:
        """`file:line`, `file`, or nothing."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file

    def sentence(self) -> str:
        """Say it in one line: stage, place, cause; what changed; the next command."""
        head = ": ".join(part for part in (self.stage, self.place, self.cause) if part)
        tail = [part for part in (self.changed, self.next_command and f"next: {self.next_command}") if part]
        return "; ".join([head, *tail])

    def __str__(self) -> str:
        return self.sentence()


class UsageError(GitopsError):
    """The command line is wrong."""

    exit_code = 2
    default_code = "usage"


class Refused(GitopsError):
    """The input or a rule says no; nothing was begun."""

    default_code = "refused"


class BadInput(Refused):
    """A file that was pushed or written is wrong."""

    default_code = "input.bad"
    default_next = "mend it, then: gitops validate"


class LimitExceeded(BadInput):
    """Larger, deeper or more than the limits allow."""

    default_code = "input.limit"


class BadRef(Refused):
    """A ref name, a deletion or a rewrite of history that is not allowed."""

    default_code = "ref.bad"


class BadMigration(Refused):
    """The migration history cannot be released."""

    default_code = "migration.bad"
    default_next = "mend it, then: gitops migrate check"


class LossRefused(Refused):
    """A rollback would lose data that is there."""

    default_code = "migration.loss"


class PolicyRefused(Refused):
    """remote.yaml does not allow it."""

    default_code = "policy"


class Failed(GitopsError):
    """A step began, failed and was undone."""

    default_code = "failed"


class StepTimeout(Failed):
    """A step took longer than its limit."""

    default_code = "failed.timeout"


class Unhealthy(Failed):
    """A workload cannot become ready."""

    default_code = "failed.unhealthy"


class DatabaseFailed(Failed):
    """PostgreSQL said no."""

    default_code = "failed.database"


class Stopped(Failed):
    """A signal ended the release."""

    default_code = "failed.stopped"


class Stuck(GitopsError):
    """An undo failed too; the next push or `gitops recover` tries again."""

    default_code = "stuck"


class Unavailable(GitopsError):
    """Something this machine must have is missing or does not answer."""

    default_code = "unavailable"


class JournalLost(Unavailable):
    """A journal can no longer be written: this process may not go on with it."""

    default_code = "journal.lost"


class Bug(GitopsError):
    """Ours: exit 3, with a ready report."""

    exit_code = 3
    default_code = "bug"
