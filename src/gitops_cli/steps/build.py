"""Build: make everything ready that starting needs. The `local` target resolves; others build images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.steps.base import ReadingStep

if TYPE_CHECKING:
    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record


class Build(ReadingStep):
    """What it makes is a cache: an undone release leaves it for the next one, and old entries are pruned."""

    name = "build"

    def do(self, release: Release, record: Record) -> str:
        """Ask the target to prepare."""
        return self._context.target.prepare(self._context.wanted(release), record, self._context.watch)
