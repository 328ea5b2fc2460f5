"""Rehearse: being built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.steps.context import Context


class Rehearse:
    """Being built."""

    name = "rehearse"

    def __init__(self, context: Context) -> None:
        """Keep the surroundings."""
        self._context = context

    def plan(self, release: Release) -> Sequence[str]:
        """Say what would run."""
        del release
        return []

    def do(self, release: Release, record: Record) -> str:
        """Do it."""
        del record
        if self._context.content(release.commit).project.migrations:
            raise Unavailable("migrations are being built", code="migration.unbuilt")
        return "nothing to migrate"

    def undo(self, release: Release, record: Record) -> None:
        """Nothing was changed."""

    def is_done(self, release: Release, record: Record) -> bool:
        """Asking again costs little."""
        del release, record
        return False

    def settle(self, release: Release, record: Record) -> None:
        """Nothing was kept."""
