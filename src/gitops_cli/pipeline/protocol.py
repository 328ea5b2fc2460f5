"""What the engine knows of a step, of a record and of whoever watches: nothing more than this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitops_cli.pipeline.model import Json, Release


class Record(Protocol):
    """What a step may write down while it works. Each call is on disk when it returns."""

    @property
    def facts(self) -> Mapping[str, Json]:
        """Everything this step has noted so far in this release, later notes over earlier ones."""

    def note(self, **facts: Json) -> None:
        """Write facts down *before* the effect that they describe."""

    def of(self, step: str) -> Mapping[str, Json]:
        """Tell the facts of another step of the same release; empty if it noted none."""


class Step(Protocol):
    """One part of a release, with its way back.

    The last step of a list publishes: it is the commit point. Its `is_done` says after a crash whether
    the world already took it; if so, its `do` is called again to finish (it must be idempotent) and
    `undo` is never called on it or on any other step of that release.
    """

    name: str

    def plan(self, release: Release) -> Sequence[str]:
        """Say, a line each, what `do` would change. Changes nothing."""

    def do(self, release: Release, record: Record) -> str:
        """Do it and return one line for the pusher. Raises `GitopsError`."""

    def undo(self, release: Release, record: Record) -> None:
        """Put back what `do` changed, however far it came. Idempotent. Raises `GitopsError`."""

    def is_done(self, release: Release, record: Record) -> bool:
        """Say whether the world is already as `do` would make it."""

    def settle(self, release: Release, record: Record) -> None:
        """After the commit point: let go of what was kept for `undo`. Idempotent; a failure is told only."""


class Watcher(Protocol):
    """Whoever watches a release: the pusher, a terminal, nobody. No method may block or raise."""

    def begins(self, step: str) -> None:
        """Hear that a step starts."""

    def ends(self, step: str, seconds: float, line: str) -> None:
        """Hear that a step is done, with its one line."""

    def fails(self, step: str, seconds: float, reason: str) -> None:
        """Hear that a step failed."""

    def undoes(self, step: str, seconds: float) -> None:
        """Hear that a step was undone."""

    def says(self, text: str) -> None:
        """Hear a line in between: progress, a log line, a warning."""


class Silent:
    """Nobody watches."""

    def begins(self, step: str) -> None:
        """Hear nothing."""

    def ends(self, step: str, seconds: float, line: str) -> None:
        """Hear nothing."""

    def fails(self, step: str, seconds: float, reason: str) -> None:
        """Hear nothing."""

    def undoes(self, step: str, seconds: float) -> None:
        """Hear nothing."""

    def says(self, text: str) -> None:
        """Hear nothing."""


SILENT = Silent()
