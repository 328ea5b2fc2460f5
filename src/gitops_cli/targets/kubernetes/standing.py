"""`gitops status --live`: the pods of what was released, and what is not as it was left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.targets.kubernetes.fights import Fights
from gitops_cli.targets.kubernetes.pods import processes

if TYPE_CHECKING:
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.inventory import SetSpec
    from gitops_cli.targets.protocol import Live


def asked(cluster: Cluster, serving: SetSpec, known: Live) -> Live:
    """Ask the cluster. Raises `GitopsError`."""
    objects = cluster.state.bodies(serving.key).objects
    found = processes(
        cluster.client, cluster.at.namespace, objects, release=serving.release, commit=serving.commit
    )
    live = cluster.look(serving.objects, serving.project)
    ledger, manager = cluster.state.ledger(), cluster.at.field_manager
    drift = []
    for item in serving.objects:
        seen = live.get(item.key)
        if seen is None:
            drift.append(f"{item.key.title()} is gone")
        elif not ledger.untouched(seen, item.hash, manager):
            drift.append(f"{item.key.title()} was changed by hand")
    frozen = [
        f"{key.title()} is left alone: somebody changes it again and again"
        for key in Fights(cluster.state).frozen()
    ]
    detail = {
        "namespace": cluster.at.namespace,
        "objects": len(serving.objects),
        "drift": drift,
        "frozen": frozen,
    }
    return msgspec.structs.replace(known, processes=found, detail=detail)
