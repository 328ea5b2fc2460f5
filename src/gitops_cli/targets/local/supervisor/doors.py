"""The stable ports: chosen once, written down, opened again under the same number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.files import write_atomic
from gitops_cli.targets.local.environment import service_variables
from gitops_cli.targets.local.reading import ports
from gitops_cli.targets.local.supervisor.forwarder import Listener, Upstream, bind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitops_cli.targets.local.inventory import SetSpec

FIRST, LAST = 20000, 25000
"""Below the range from which the kernel takes ports of outgoing connections (32768 and up)."""


class Doors:
    """One listener for each port of each Service."""

    def __init__(self, folder: Path, seed: int) -> None:
        """`seed`: where to begin to look for free ports, so that two environments seldom meet."""
        self._folder = folder
        self._seed = FIRST + seed % (LAST - FIRST)
        self._open: dict[str, Listener] = {}

    async def open(self, wanted: set[str]) -> None:
        """Open what is wanted and close the rest. Raises `OSError` when no port is free."""
        known = ports(self._folder)
        for route in [r for r in self._open if r not in wanted]:
            self._open.pop(route).close()
        for route in sorted(wanted - set(self._open)):
            listener = Listener(bind(known.get(route, self._seed), FIRST, LAST))
            self._open[route] = listener
            known[route] = listener.port
        if known != ports(self._folder):
            write_atomic(self._folder / "ports.json", msgspec.json.encode(known))
        for listener in self._open.values():
            await listener.open()

    def serve(self, upstreams: Mapping[str, Sequence[Upstream]]) -> None:
        """Send new connections there from now on, all Services in one go."""
        for route, listener in self._open.items():
            listener.serve(upstreams.get(route, ()))

    def variables(self, spec: SetSpec | None) -> dict[str, str]:
        """Name each Service that the set has."""
        return service_variables(spec, {route: listener.port for route, listener in self._open.items()})

    def close(self) -> None:
        """Close all."""
        for listener in self._open.values():
            listener.close()
        self._open.clear()
