"""Run one release under the lock, and turn its end into a result or a refusal."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gitops_cli.adapters import clock, records, signals
from gitops_cli.errors import Refused
from gitops_cli.pipeline import engine
from gitops_cli.pipeline.model import Release
from gitops_cli.pipeline.outcome import CAUGHT, reason
from gitops_cli.releases.moving import pin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.model import Finished, Kind, RefUpdate
    from gitops_cli.releases.held import Held
    from gitops_cli.steps.catalogue import StepClass


def begin(
    held: Held,
    commit: str,
    *,
    updates: Sequence[RefUpdate] = (),
    options: Sequence[str] = (),
    kind: Kind = "push",
) -> Release:
    """Give a release of a commit its number and tell those who wait about it."""
    before = records.released(held.around.repo, held.environment.name)
    found = held.around.repo.commit(commit)
    release = Release(
        number=max(held.journal.next_number(), before.number + 1),
        id=secrets.token_hex(8),
        environment=held.environment.name,
        commit=commit,
        tree=found.tree,
        previous=before.commit,
        refs=tuple(updates),
        ref=held.environment.ref,
        kind=kind,
        actor=found.author,
        subject=found.subject,
        options=tuple(options),
        started=clock.now(),
    )
    held.announce(release)
    return release


def is_live(held: Held, release: Release) -> bool:
    """Say whether the release asks for the tree that was released last, and to where it goes now."""
    before = records.released(held.around.repo, held.environment.name)
    if release.tree != before.tree or release.kind != "push" or "redeploy" in release.options:
        return False
    return held.context().serves(release.tree)


def run(held: Held, release: Release, steps: Sequence[StepClass]) -> Finished:
    """Run the steps. Raises `Refused` when the release was taken back, `Stuck` when it could not be.

    What is published is released whatever happens here afterwards: that is told only.
    """
    signals.heed()
    context = held.context()
    pin(held.around, held.environment, release.commit)
    try:
        finished = engine.run([step(context) for step in steps], release, held.journal, context.watch)
    finally:
        _let_go(held)
    if finished.outcome != "released":
        raise refusal(finished)
    try:
        urls = context.target.live().urls
    except CAUGHT as error:
        held.watch.says(f"released, but where it answers is not known: {reason(error)}")
        return finished
    for name, url in sorted(urls.items()):
        held.watch.says(f"{name}: {url}")
    return finished


def refusal(finished: Finished) -> Refused:
    """Say why a release was taken back; where the branch has moved already, nobody can push it again."""
    following = finished.release.kind == "follow"
    return Refused(
        finished.reason,
        code="release.undone",
        stage=finished.stage,
        changed=f"{finished.release.environment} is as it was before",
        next_command="push a new commit, with the options (-o) that it needs" if following else "",
    )


def _let_go(held: Held) -> None:
    """Give the commit of a release that is over back to `git gc`; if that fails, the next one does it.

    What became of the release is what the pusher is to hear, not this.
    """
    try:
        if held.journal.open_release() is None:
            pin(held.around, held.environment, "")
    except CAUGHT as error:
        held.watch.says(f"the mark of the release stays until the next one: {reason(error)}")
