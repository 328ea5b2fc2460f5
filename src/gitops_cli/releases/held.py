"""An environment whose lock is held: from here on nobody else releases, recovers or heals it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_cli.adapters import clock, processes
from gitops_cli.errors import Bug
from gitops_cli.pipeline.lock import EnvironmentLock, Holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.config.remote import Environment
    from gitops_cli.pipeline.journal import Journal
    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.steps.context import Context
    from gitops_cli.steps.surroundings import Surroundings

LOCK_SECONDS = 900.0
"""How long a push waits for the release before it."""


@dataclass(frozen=True)
class Held:
    """One environment, for whoever holds its lock."""

    around: Surroundings
    environment: Environment
    watch: Watcher
    lock: EnvironmentLock

    @property
    def journal(self) -> Journal:
        """The journals of this environment."""
        return self.around.journal(self.environment.name)

    def context(self) -> Context:
        """Put together what the steps of a release share."""
        return self.around.context(self.environment, self.watch, (self.lock.fd,))

    def announce(self, release: Release) -> None:
        """Tell those who wait which release they wait for."""
        self.lock.announce(_holder(release))


@contextmanager
def hold(around: Surroundings, environment: Environment, watch: Watcher) -> Iterator[Held]:
    """Take the lock of an environment; say whom we wait for. Raises `Unavailable` when it takes too long."""
    lock = EnvironmentLock(around.home.lock(environment.name))
    lock.take(
        _holder(),
        seconds=LOCK_SECONDS,
        waits=lambda holder: watch.says(f"waiting for {holder.name() if holder else 'another release'}"),
        children=around.journal(environment.name).children,
    )
    try:
        with processes.plain_umask():
            yield Held(around, environment, watch, lock)
    finally:
        lock.release()


def _holder(release: Release | None = None) -> Holder:
    me = processes.identity(os.getpid())
    if me is None:
        raise Bug("this process is not in /proc", code="lock.proc")
    return Holder(
        process=me,
        number=release.number if release else 0,
        actor=release.actor if release else "",
        host=os.uname().nodename,
        since=clock.now(),
    )
