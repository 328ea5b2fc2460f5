"""What most steps have in common: they hold the surroundings, and what they leave alone needs no way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.steps.context import Context


class ReadingStep:
    """A step that changes nothing that anybody sees. Others override what they do change."""

    def __init__(self, context: Context) -> None:
        """Keep the surroundings."""
        self._context = context

    def plan(self, release: Release) -> Sequence[str]:
        """Name no change."""
        del release
        return []

    def undo(self, release: Release, record: Record) -> None:
        """Put nothing back."""

    def is_done(self, release: Release, record: Record) -> bool:
        """Say no: doing it again costs little."""
        del release, record
        return False

    def settle(self, release: Release, record: Record) -> None:
        """Let go of nothing."""
