"""What a crash, a lost client or a reboot left: settle it, catch up with a followed branch, heal."""

from __future__ import annotations

from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from gitops_cli.adapters import clock, leftovers, processes, records, seen
from gitops_cli.adapters.git import refs
from gitops_cli.adapters.postgres import server
from gitops_cli.pipeline import recover as recovery
from gitops_cli.releases.moving import pin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.model import Finished, Release
    from gitops_cli.pipeline.protocol import Step
    from gitops_cli.releases.held import Held
    from gitops_cli.steps.catalogue import StepClass

FIRST_PAUSE = 60.0
"""Seconds until a followed commit that was refused is tried again; twice as many after each further time."""
LONGEST_PAUSE = 3600.0
_TRIES = 8


def settle(held: Held, steps: Sequence[StepClass]) -> list[str]:
    """Finish or undo the release that was cut off, if there is one. Says, a line each, what it did."""
    around, environment, journal = held.around, held.environment, held.journal
    with refs.RefLock(around.home) as lock:
        said = list(refs.clear_stale(around.repo, lock))

    def steps_for(release: Release) -> list[Step]:
        held.announce(release)
        processes.end_all(journal.children())
        context = held.context()
        return [step(context) for step in steps]

    finished = recovery.recover(journal, steps_for, held.watch)
    pin(around, environment, "")
    journal.prune()
    seen.sweep(around.home)
    leftovers.sweep(around.home)
    if finished is not None:
        ending = "finished" if finished.outcome == "released" else "undone"
        said.append(f"release {finished.release.number} of {environment.name} had been cut off; {ending}")
    for line in said:
        held.watch.says(line)
    return said


def behind(held: Held) -> str:
    """Give the commit that a followed branch names and that is not released; empty when there is none."""
    commit = held.around.repo.resolve(held.environment.ref)
    return "" if commit == records.released(held.around.repo, held.environment.name).commit else commit


def refused(held: Held, commit: str) -> Finished | None:
    """Give the newest release of a followed commit if that was refused a short time ago; else None.

    What failed for good fails again, and each time with a number, jobs and migrations. What failed as
    something was out of reach passes later, and what remote.yaml was in the way of once that has changed.
    """
    tries = list(takewhile(lambda one: _is_refusal(one, commit), held.journal.finished(_TRIES)))
    if not tries:
        return None
    newest = tries[0]
    ended = newest.release.started + newest.seconds
    pause = min(FIRST_PAUSE * 2 ** (len(tries) - 1), LONGEST_PAUSE)
    with suppress(OSError):
        if held.around.home.config.stat().st_mtime > ended:
            return None
    return newest if 0 <= clock.now() - ended < pause else None


def _is_refusal(finished: Finished, commit: str) -> bool:
    release = finished.release
    return (release.commit, release.kind, finished.outcome) == (commit, "follow", "refused")


def heal(held: Held, *, insist: bool) -> list[str]:
    """Make what runs equal to what was released last. Says, a line each, what it changed."""
    live = records.released(held.around.repo, held.environment.name)
    context = held.context()
    wanted = context.app_set(live.number, live.commit, live.tree) if live.commit else None
    said = []
    if held.environment.database == "embedded" and server.expected(held.around.home):
        if server.status(held.around.home) is None:
            said.append("started the embedded PostgreSQL")
        server.ensure(held.around.home)
    return [*said, *context.target.heal(wanted, insist=insist)]
