"""Deploy: the new set becomes ready beside the old one and takes over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gitops_cli.steps.base import ReadingStep
from gitops_cli.steps.jobs import run_jobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record


class Deploy(ReadingStep):
    """Jobs before, the set itself, jobs after. The old set stays at hand until the release is settled."""

    name = "deploy"

    def plan(self, release: Release) -> Sequence[str]:
        """Ask the target."""
        return self._context.target.plan(self._context.wanted(release))

    def do(self, release: Release, record: Record) -> str:
        """Start the set, wait until it serves."""
        context, wanted = self._context, self._context.wanted(release)
        jobs = partial(run_jobs, context, wanted, "before-deploy", record)
        context.target.apply(wanted, record, context.watch, first=jobs)
        line = context.target.wait(wanted, record, context.watch)
        run_jobs(context, wanted, "after-deploy", record)
        return line

    def undo(self, release: Release, record: Record) -> None:
        """Let the old set serve again and end the new one."""
        del release
        self._context.target.put_back(record)

    def is_done(self, release: Release, record: Record) -> bool:
        """Say whether the set serves already."""
        del record
        return self._context.target.live().commit == release.commit

    def settle(self, release: Release, record: Record) -> None:
        """End what was replaced."""
        del release
        self._context.target.retire(record)
