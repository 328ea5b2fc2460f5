"""Keeps an eye on what was released: one watch for each kind, no request as long as nobody touches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitops_cli.adapters import clock
from gitops_cli.adapters.kubernetes.client import Watched, seen_of
from gitops_cli.adapters.kubernetes.problems import ApiProblem
from gitops_cli.errors import GitopsError
from gitops_cli.targets.kubernetes.fights import Fights
from gitops_cli.targets.kubernetes.rendering import selector

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from gitops_cli.adapters.kubernetes.client import Mirror
    from gitops_cli.adapters.kubernetes.objects import Kind
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.inventory import SetSpec

LOOK = 0.5
"""Seconds between two looks at whether to go on; the watches are heard at once."""
PATIENCE = 1.0
"""Seconds that a change may be our own, before the ledger has it."""
AGAIN = 2.0
"""Seconds after the server was gone."""


def guard(to: Callable[[], Cluster], wake: Callable[[], None], stop: Event) -> None:
    """Call `wake` when an object is not as the ledger has it, until `stop` is set."""
    while not stop.is_set():
        try:
            _guard_one(to(), wake, stop)
        except GitopsError:  # the server is gone, or a kind: who heals will say so, and try again
            wake()
            stop.wait(AGAIN)


def _guard_one(cluster: Cluster, wake: Callable[[], None], stop: Event) -> None:
    inventory = cluster.state.inventory()
    if inventory.serving is None:
        stop.wait(LOOK)
        return
    try:
        _watch(cluster, inventory.serving, wake, stop)
    except ApiProblem as problem:
        if problem.is_missing:
            cluster.client.kinds().refresh()
        raise


def _watch(cluster: Cluster, serving: SetSpec, wake: Callable[[], None], stop: Event) -> None:
    """Watch one set's kinds until a set with others serves."""
    watched = _watched(cluster, serving)
    with cluster.client.mirror(watched) as mirror:
        changed, since = True, 0.0
        while not stop.is_set():
            now = cluster.state.inventory().serving
            if now is None or (now.key != serving.key and _watched(cluster, now) != watched):
                return
            serving = now
            if changed or since:
                since = 0.0 if _as_left(cluster, serving, mirror) else since or clock.monotonic()
            if since and clock.monotonic() - since > PATIENCE:  # not ours: the ledger would have it by now
                wake()
                since = clock.monotonic() + AGAIN
            changed = mirror.wait(LOOK)


def _watched(cluster: Cluster, serving: SetSpec) -> list[Watched]:
    chosen = selector(serving.project, cluster.environment)
    places = {
        (kind, item.key.namespace) for item in serving.objects if (kind := cluster.kind(item)) is not None
    }
    return [Watched(kind, namespace, chosen, "", metadata_only=True) for kind, namespace in sorted(places)]


def _as_left(cluster: Cluster, serving: SetSpec, mirror: Mirror) -> bool:
    """Compare everything that is not left alone with what the server answered to our last PATCH of it."""
    ledger, manager = cluster.state.ledger(), cluster.at.field_manager
    alone = frozenset(Fights(cluster.state).frozen())
    kinds = {kind for item in serving.objects if (kind := cluster.kind(item)) is not None}
    seen_all = [seen_of(_typed(body, kind)) for kind in kinds for body in mirror.of(kind)]
    live = {seen.key: seen for seen in seen_all}
    return all(
        item.key in alone or ledger.as_left(live.get(item.key), item.hash, manager)
        for item in serving.objects
    )


def _typed(body: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Say what a metadata-only object is of: a watch calls it PartialObjectMetadata."""
    return {**body, "apiVersion": kind.api_version, "kind": kind.kind}
