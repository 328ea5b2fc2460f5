"""A record for what happens without a release: healing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitops_cli.pipeline.model import Json


class Memory:
    """Facts that nobody needs after a crash: the inventory alone tells what to do then."""

    def __init__(self) -> None:
        """Know nothing."""
        self._facts: dict[str, Json] = {}

    @property
    def facts(self) -> Mapping[str, Json]:
        """What was noted."""
        return self._facts

    def note(self, **facts: Json) -> None:
        """Keep them."""
        self._facts |= facts

    def of(self, step: str) -> Mapping[str, Json]:
        """There are no other steps."""
        del step
        return {}
