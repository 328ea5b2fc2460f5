"""Validate: what a commit says is well-formed, allowed and can follow what is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.config.history import History, compare, refuse_pending
from gitops_cli.steps.base import ReadingStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.steps.content import Content


def check_follows(new: Content, live: Content | None) -> None:
    """Refuse a history that cannot follow the live one, and migrations that would end the transaction."""
    path = compare(live.history if live else History(), new.history)
    refuse_pending(new.history, path.ups)


class Validate(ReadingStep):
    """Read everything the release needs; changes nothing, so there is nothing to undo."""

    name = "validate"

    def plan(self, release: Release) -> Sequence[str]:
        """Say what was read."""
        return [self._context.content(release.commit).summary()]

    def do(self, release: Release, record: Record) -> str:
        """Read the commit, compare it with the live one, ask the target whether it can run it."""
        del record  # nothing to put back
        content = self._context.content(release.commit)
        live = self._context.content(release.previous) if release.previous else None
        check_follows(content, live)
        self._context.target.check(self._context.wanted(release))
        return content.summary()
