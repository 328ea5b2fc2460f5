"""The questions that every target answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from gitops_cli.config.project import Project
from gitops_cli.config.workloads import Manifests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitops_cli.pipeline.protocol import Record, Watcher


class AppSet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one release wants to run in an environment."""

    environment: str
    release: int
    commit: str
    tree: str
    project: Project
    manifests: Manifests


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A job or a check: a command of a service that runs once."""

    name: str
    service: str
    command: tuple[str, ...]
    timeout: float
    """Seconds."""


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that runs, as `status` shows it."""

    workload: str
    release: int
    commit: str
    pid: int
    ready: bool
    restarts: int = 0
    reason: str = ""


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What runs now."""

    commit: str = ""
    release: int = 0
    processes: tuple[Process, ...] = ()
    urls: dict[str, str] = {}
    """A URL for each Service that has a port."""
    detail: dict[str, Any] = {}


class Target(Protocol):
    """Where a release lands. Every method that changes something is idempotent: recovery calls it again.

    The order in a release: `prepare` (build step), `apply` then `wait` (deploy step: the new set runs
    beside the old, becomes ready and takes over), `run` for jobs and checks, and after publishing `retire`
    (the old set ends). Until `retire` the old set can take over again at once: `put_back`.
    """

    name: str

    def live(self) -> Live:
        """Say what runs now."""

    def plan(self, wanted: AppSet) -> Sequence[str]:
        """Say, a line each, what `apply` would change."""

    def check(self, wanted: AppSet) -> None:
        """Refuse, before anything has happened, what this target can never run. Reads only."""

    def prepare(self, wanted: AppSet, record: Record, watch: Watcher) -> str:
        """Make ready what starting needs (export, dependencies, images). Gives one line for the pusher."""

    def libraries(self, wanted: AppSet) -> Sequence[str]:
        """Name the virtual environments that `prepare` made: migrations may import their application."""

    def apply(self, wanted: AppSet, record: Record, watch: Watcher) -> None:
        """Write the inventory, then start the set."""

    def wait(self, wanted: AppSet, record: Record, watch: Watcher) -> str:
        """Wait until it is ready and serves, or raise `Unhealthy` with the reason as soon as it cannot be."""

    def run(self, task: Task, wanted: AppSet, record: Record, watch: Watcher) -> None:
        """Run a job or check to its end; its output goes to `watch`. Raises `Failed`."""

    def put_back(self, record: Record) -> None:
        """Make what ran before `apply` serve again and remove what `apply` started."""

    def retire(self, record: Record) -> None:
        """End what the published set replaced."""

    def heal(self, wanted: AppSet | None) -> Sequence[str]:
        """Make what runs equal to `wanted` (None: nothing). Says, a line each, what it changed."""

    def logs(self, service: str, *, follow: bool, lines: int) -> Iterator[str]:
        """Give the last lines that a service printed, and with `follow` the next ones as they come."""

    def stop(self) -> None:
        """Stop everything that runs here and everything that keeps it running."""
