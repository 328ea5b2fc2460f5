"""The questions that every target answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from gitops_cli.config.project import Project
from gitops_cli.config.workloads import Manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from threading import Event

    from gitops_cli.pipeline.protocol import Record, Watcher


class AppSet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one release wants to run in an environment."""

    environment: str
    release: int
    commit: str
    tree: str
    project: Project
    manifests: Manifests
    options: tuple[str, ...] = ()
    """Of the push."""


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


class Door(NamedTuple):
    """A way to a service for somebody on this machine."""

    url: str
    lasts: bool
    """Whether the URL works after the door is closed."""


def nothing() -> None:
    """Do nothing: there are no jobs."""


class Target(Protocol):
    """Where a release lands. Every method that changes something is idempotent: recovery calls it again.

    In pre-receive: `foresee`. The order in a release: `check` (validate step), `prepare` (build step),
    `overlap` (rehearse step), `apply` then `wait` (deploy step: the new set runs beside the old, becomes
    ready and takes over), `run` for jobs and checks, `answers` for checks by HTTP, and after publishing
    `retire` (the old set ends). Until `retire` the old set can take over again at once: `put_back`.
    """

    name: str

    def live(self, *, ask: bool = False) -> Live:
        """Say what runs now; without `ask` from our own memory, where asking costs requests."""

    def plan(self, wanted: AppSet) -> Sequence[str]:
        """Say, a line each, what `apply` would change."""

    def foresee(self, wanted: AppSet, watch: Watcher) -> None:
        """Say in pre-receive what would change and refuse what cannot be, without a lock. Changes nothing."""

    def overlap(self, wanted: AppSet) -> Sequence[str]:
        """Name the workloads whose old and new version would serve side by side on one database."""

    def check(self, wanted: AppSet) -> None:
        """Refuse, before anything has happened, what this target can never run. Reads only."""

    def prepare(self, wanted: AppSet, record: Record, watch: Watcher) -> str:
        """Make ready what starting needs (export, dependencies, images). Gives one line for the pusher."""

    def libraries(self, wanted: AppSet) -> Sequence[str]:
        """Name the virtual environments that `prepare` made: migrations may import their application."""

    def apply(
        self, wanted: AppSet, record: Record, watch: Watcher, *, first: Callable[[], None] = nothing
    ) -> None:
        """Write the inventory, then start the set; `first` is called when what jobs need is there.

        Nothing of the new version has started by then.
        """

    def wait(self, wanted: AppSet, record: Record, watch: Watcher) -> str:
        """Wait until it is ready and serves, or raise `Unhealthy` with the reason as soon as it cannot be."""

    def run(self, task: Task, wanted: AppSet, record: Record, watch: Watcher) -> None:
        """Run a job or check to its end; its output goes to `watch`. Raises `Failed`."""

    def answers(self, service: str, path: str, *, timeout: float) -> tuple[int, str] | None:
        """Ask a service of gitops.yaml for a page once: HTTP status (0: none) and reason.

        `asking.choose` says which Service; None when none has a port. Raises `Failed` when none leads there.
        """

    def put_back(self, record: Record) -> None:
        """Make what ran before `apply` serve again and remove what `apply` started."""

    def retire(self, record: Record) -> None:
        """End what the published set replaced."""

    def heal(self, wanted: AppSet | None, *, insist: bool = True) -> Sequence[str]:
        """Make what runs equal to `wanted` (None: nothing). Says, a line each, what it changed.

        Without `insist`, what somebody else changes again and again is left alone.
        """

    def guard(self, wake: Callable[[], None], stop: Event) -> None:
        """Watch what runs until `stop` is set; call `wake` when it may not be as it was released."""

    def logs(self, service: str, *, follow: bool, lines: int) -> Iterator[str]:
        """Give the last lines that a service printed, and with `follow` the next ones as they come."""

    def door(self, service: str) -> AbstractContextManager[Door | None]:
        """Give a URL of a service (empty: the first) that works here while the block runs; None: no port."""

    def stop(self) -> None:
        """Stop everything that runs here and everything that keeps it running."""
