"""Publish: the commit point. The branch and the record of the release move in one transaction.

A kill between the two renames of that transaction leaves one of them moved (measured), so after a
crash the question is whether *either* names this release; if so, the rest is moved too. Refs that were
pushed beside the branch need no lock of the environment: who moved one meanwhile came later, and it stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import clock, records, signals
from gitops_cli.adapters.git import refs
from gitops_cli.adapters.git.names import short
from gitops_cli.errors import BadRef
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
        count = _count(record.facts.get("decisive"))
        with refs.RefLock(context.home) as lock:
            refs.clear_stale(context.repo, lock)
            left = [update for update in updates if _now(context, update.name) != update.new]
            if left:
                taken = any(update not in left for update in updates[:count])
                beside = [update for update in left if taken and update in updates[count:]]
                with signals.held():  # what is half published cannot be taken back
                    fds = (*context.lock_fds, lock.fd)
                    refs.move(context.repo, [update for update in left if update not in beside], fds)
                    self._finish(beside, fds)
                    signals.ignore()
        return f"{context.environment.name} is {release.commit[:7]}"

    def _finish(self, beside: Sequence[RefUpdate], fds: Sequence[int]) -> None:
        """Move the refs beside a published release, each unless somebody has moved it or needs its name."""
        context = self._context
        for update in beside:
            try:
                if _now(context, update.name) == update.old:
                    refs.move(context.repo, [update], fds)
                    continue
            except BadRef:  # `a` was to be made, and now there is `a/b`
                pass
            context.watch.says(f"{short(update.name)} was pushed on meanwhile: it stays where it is")

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
