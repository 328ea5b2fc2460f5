"""Workloads that no probe watches: there a container is ready when it has started, also if it ends at once.

Its Deployment then says for a second that it is complete, and the old pods, which served, are ended for a
version that never will (seen). `minReadySeconds` keeps them until the new ones have run for some seconds.
"""

from __future__ import annotations

from typing import Any

from gitops_cli.config.pods import listed, mapping

MIN_READY = 3
"""That a container has ended shows on the server within two seconds."""
_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})


def hold(body: dict[str, Any]) -> None:
    """Let a version without probes run for some seconds before it counts, unless its author says how long."""
    spec = mapping(body.get("spec"))
    if body.get("apiVersion") != "apps/v1" or body.get("kind") not in _KINDS or "minReadySeconds" in spec:
        return
    containers = listed(mapping(mapping(spec.get("template")).get("spec")).get("containers"))
    if not all("readinessProbe" in c or "startupProbe" in c for c in map(mapping, containers)):
        spec["minReadySeconds"] = MIN_READY
