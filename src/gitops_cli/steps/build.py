"""Build: make everything ready that starting needs. The `local` target resolves; others build images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.steps.context import Context


class Build:
    """What it makes is a cache: an undone release leaves it for the next one, and old entries are pruned."""

    name = "build"

    def __init__(self, context: Context) -> None:
        """Keep the surroundings."""
        self._context = context

    def plan(self, release: Release) -> Sequence[str]:
        """Nothing that anybody sees changes."""
        del release
        return []

    def do(self, release: Release, record: Record) -> str:
        """Ask the target to prepare."""
        return self._context.target.prepare(self._context.wanted(release), record, self._context.watch)

    def undo(self, release: Release, record: Record) -> None:
        """A cache needs no undo."""

    def is_done(self, release: Release, record: Record) -> bool:
        """The target knows what it has."""
        del release, record
        return False

    def settle(self, release: Release, record: Record) -> None:
        """Nothing was kept."""
