"""Which Service a check asks: a check names a service of gitops.yaml; a Service has a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitops_cli.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet


class Way(NamedTuple):
    """One port of a Service."""

    name: str
    """Of the Service."""
    leads: AbstractSet[str] = frozenset()
    """The services of gitops.yaml whose containers answer there."""
    beside: AbstractSet[str] = frozenset()
    """Those that run in the same pods."""


def choose(service: str, ways: Mapping[str, Way]) -> str:
    """Give the key of the port where a service answers; empty when there is no port at all.

    Where it leads decides, then the Service's name; without either the only Service is meant. Raises `Failed`
    when there are several: a check that asks somebody else passes for nothing.
    """
    ranks = (
        [key for key, way in ways.items() if service in way.leads],
        [key for key, way in ways.items() if service in way.beside],
        [key for key, way in ways.items() if service == way.name],
    )
    names = sorted({way.name for way in ways.values()})
    found = next(filter(None, ranks), list(ways) if len(names) == 1 else [])
    if ways and not found:
        raise Failed(
            f"no Service leads to {service}, which a check asks; there are {', '.join(names)}",
            code="verify.no-service",
        )
    return next((key for key in found if ways[key].name == service), found[0] if found else "")
