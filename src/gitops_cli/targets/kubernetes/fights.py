"""Objects that somebody else changes again and again: after so many heals in so many minutes we stop.

Kept in `heals.json`, by the clock that never goes back; after a reboot it starts anew, and so does this.
A frozen object is left alone until an operator runs `gitops recover`, or a release goes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import clock
from gitops_cli.adapters.kubernetes.objects import Key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitops_cli.targets.kubernetes.state import State

TIMES = 5
MINUTES = 10
_FILE = "heals.json"


class Heals(msgspec.Struct):
    """When an object was healed, and whether it is left alone now."""

    key: Key
    times: list[float] = []
    """Seconds of the clock that never goes back."""
    frozen: bool = False


class Fights:
    """The heals of one environment."""

    def __init__(self, state: State) -> None:
        """Read what was kept; a damaged file is an empty one."""
        self._state = state
        self._heals = {found.key: found for found in state.read_or(_FILE, list[Heals], [])}

    def is_frozen(self, key: Key) -> bool:
        """Say whether an object is left alone."""
        found = self._heals.get(key)
        return found is not None and found.frozen

    def frozen(self) -> list[Key]:
        """Give every object that is left alone."""
        return sorted(key for key, found in self._heals.items() if found.frozen)

    def healed(self, keys: Iterable[Key]) -> list[Key]:
        """Count a heal of each; give those that are left alone from now on. Call `save` afterwards."""
        now, stopped = clock.monotonic(), []
        for key in keys:
            found = self._heals.setdefault(key, Heals(key))
            since = now - MINUTES * 60
            found.times = [*(time for time in found.times if since < time <= now), now]
            if len(found.times) >= TIMES and not found.frozen:
                found.frozen = True
                stopped.append(key)
        return stopped

    def settle(self) -> None:
        """Begin anew where anything is left alone: a release, or an operator, takes it in hand again."""
        if self.frozen():
            self._heals = {}
            self.save()

    def save(self) -> None:
        """Write it; it is on disk when this returns."""
        self._state.write_json(_FILE, [self._heals[key] for key in sorted(self._heals)])
