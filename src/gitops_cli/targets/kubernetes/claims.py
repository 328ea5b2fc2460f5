"""The claims that the StatefulSets of a failed release made: Kubernetes keeps them when the set is deleted.

One that stays would be taken by the next set of that name as it is, with the mistake that the release failed
for. One that was there before the set holds somebody's data, and is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gitops_cli.adapters import clock
from gitops_cli.errors import StepTimeout
from gitops_cli.targets.kubernetes.pods import found
from gitops_cli.targets.kubernetes.stages import CLAIM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.inventory import Item

SET = ("apps", "StatefulSet")
PAUSE = 0.2


class Claim(NamedTuple):
    """A claim that a set has made, or may still make."""

    namespace: str
    name: str
    since: str
    """When its set was made, RFC 3339 in whole seconds."""


def of_sets(cluster: Cluster, items: Iterable[Item]) -> list[Claim]:
    """Name the claims of those items that are StatefulSets and are there: a request for each such set."""
    claims: list[Claim] = []
    for item in items:
        if (item.key.group, item.key.kind) != SET or (kind := cluster.kind(item)) is None:
            continue
        body = cluster.client.get(kind, item.key.namespace, item.key.name)
        if body is not None:
            since = str(body["metadata"]["creationTimestamp"])
            claims += [Claim(item.key.namespace, name, since) for name in _names(body)]
    return claims


def delete(cluster: Cluster, claims: Iterable[Claim]) -> list[Claim]:
    """Delete those that are not older than their set; give those that are still there: they end with pods."""
    kind = found(cluster.client, "v1", CLAIM[1])
    there = []
    for claim in claims:
        body = cluster.client.get(kind, claim.namespace, claim.name)
        if body is None or str(body["metadata"]["creationTimestamp"]) < claim.since:
            continue
        there.append(claim)
        if "deletionTimestamp" not in body["metadata"]:
            cluster.client.delete(kind, claim.namespace, claim.name, uid=body["metadata"]["uid"])
    return there


def wait_gone(cluster: Cluster, claims: Iterable[Claim], seconds: float) -> None:
    """Wait until they are gone, also those that the set made in its last moment. Raises `StepTimeout`."""
    until = clock.monotonic() + seconds
    while claims := delete(cluster, claims):
        if clock.monotonic() > until:
            raise StepTimeout(
                f"PersistentVolumeClaim {claims[0].name} was deleted {seconds:g} s ago and is still there",
                code="kubernetes.not-gone",
            )
        clock.pause(PAUSE)


def _names(body: dict[str, Any]) -> Iterable[str]:
    spec, name = body.get("spec") or {}, body["metadata"]["name"]
    first = (spec.get("ordinals") or {}).get("start") or 0
    for template in spec.get("volumeClaimTemplates") or ():
        for ordinal in range(first, first + spec.get("replicas", 1)):
            yield f"{template['metadata']['name']}-{name}-{ordinal}"
