"""Publish: the commit point. The branch and the record of the release move in one transaction.

A kill between the two renames of that transaction leaves one of them moved (measured), so after a
crash the question is whether *either* names this release; if so, the rest is moved too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import clock, records, signals
from gitops_cli.adapters.git import refs
from gitops_cli.pipeline.model import NO_COMMIT, Finished, RefUpdate
from gitops_cli.steps.base import ReadingStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.model import Json, Release
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.steps.context import Context


class Publish(ReadingStep):
    """Move the refs. `do` may be called again to finish what a crash left half done."""

    name = "publish"

    def plan(self, release: Release) -> Sequence[str]:
        """Name the refs."""
        return [f"{update.name}: {update.old[:7]} -> {update.new[:7]}" for update in release.refs]

    def do(self, release: Release, record: Record) -> str:
        """Write the intended updates down, then move all of them."""
        context = self._context
        updates = _noted(record.facts.get("updates")) or self._intend(release, record)
        with refs.RefLock(context.home) as lock:
            refs.clear_stale(context.repo, lock)
            left = [update for update in updates if _now(context, update.name) != update.new]
            if left:
                with signals.held():  # what is half published cannot be taken back
                    refs.move(context.repo, left, (*context.lock_fds, lock.fd))
                    signals.ignore()
        return f"{context.environment.name} is {release.commit[:7]}"

    def is_done(self, release: Release, record: Record) -> bool:
        """Say whether the branch or the release ref names this release."""
        del release
        decisive = _noted(record.facts.get("updates"))[: _count(record.facts.get("decisive"))]
        with refs.RefLock(self._context.home):
            return any(_now(self._context, update.name) == update.new for update in decisive)

    def _intend(self, release: Release, record: Record) -> list[RefUpdate]:
        """Write the commit of the record, then note every update: the branch, the release ref, the rest."""
        context = self._context
        before = records.released(context.repo, release.environment)
        steps = (*context.transcript.steps, ("publish", 0.0, ""))
        finished = Finished(
            release=release, outcome="released", seconds=clock.now() - release.started, steps=tuple(steps)
        )
        files = {
            "release.json": msgspec.json.format(msgspec.json.encode(finished)) + b"\n",
            "output.txt": context.transcript.text().encode("utf-8", "replace"),
        }
        title = f"release {release.number} of {release.environment}: {release.commit[:7]} {release.subject}"
        commit = records.write_record(context.repo, title, files, before=before.record, commit=release.commit)
        own = RefUpdate(records.release_ref(release.environment), before.record or NO_COMMIT, commit)
        branch = [update for update in release.refs if update.name == context.environment.ref]
        rest = [update for update in release.refs if update.name != context.environment.ref]
        updates = [*branch, own, *rest]
        plain: list[Json] = [[update.name, update.old, update.new] for update in updates]
        record.note(updates=plain, decisive=len(branch) + 1)
        return updates


def _now(context: Context, name: str) -> str:
    return context.repo.resolve(name) or NO_COMMIT


def _noted(facts: Json) -> list[RefUpdate]:
    rows = msgspec.convert(facts or [], list[tuple[str, str, str]])
    return [RefUpdate(*row) for row in rows]


def _count(fact: Json) -> int:
    return fact if isinstance(fact, int) else 0
