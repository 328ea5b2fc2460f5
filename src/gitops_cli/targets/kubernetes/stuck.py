"""Why something is stuck, where only events tell: pods that are not made, volumes not mounted, probes.

Asked for one object at a time, and not more often than every few seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.targets.kubernetes.events import changed_at, told_of
from gitops_cli.targets.kubernetes.pods import ready
from gitops_cli.targets.kubernetes.readiness import SETTLES
from gitops_cli.targets.kubernetes.verdicts import Doom, why_waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.adapters.kubernetes.client import Client
    from gitops_cli.targets.kubernetes.events import Told
    from gitops_cli.targets.kubernetes.looking import Stand
    from gitops_cli.targets.kubernetes.memory import Memory
    from gitops_cli.targets.kubernetes.readiness import Body

ASKS = 2.0
"""Seconds between two questions about the same object, and before the first."""
_MAKERS = frozenset({"StatefulSet", "DaemonSet", "Job", "ReplicaSet", "ReplicationController"})
"""Kinds whose pods the server can refuse without a condition that says so (a Deployment has one)."""
_MOUNTS = frozenset({"FailedMount", "FailedAttachVolume"})
_MOUNTED = frozenset({"Pulling", "Pulled", "Created", "Started"})
"""A pod of which these are told has its volumes."""
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})


class Asker:
    """Asks about what is stuck and remembers the answers of one wait."""

    def __init__(self, client: Client, namespace: str, memory: Memory) -> None:
        """Ask nothing yet."""
        self._client = client
        self._namespace = namespace
        self._memory = memory
        self._asked: dict[str, tuple[float, list[Told]]] = {}

    def doom(self, body: Body, pods: Sequence[Body], now: float) -> Doom | None:
        """Say why the pods of a workload are never made, or never start, as events tell."""
        if body["kind"] in _MAKERS and (why := not_made(self._after(body, now), changed_at(body))):
            return Doom(why="quota", reason=why, holds=SETTLES)
        for pod in pods:
            if why_waiting(pod) in _STARTING and (why := not_mounted(self._after(pod, now))):
                return Doom(why="config", reason=why, pod=str(pod["metadata"]["name"]), holds=SETTLES)
        return None

    def waits_for_a_pod(self, stand: Stand, now: float) -> bool:
        """Say whether a claim gets its volume only when a pod uses it: then nobody need wait for it."""
        if stand.rendered.key.kind != "PersistentVolumeClaim" or stand.body is None:
            return False
        return any(told.reason == "WaitForFirstConsumer" for told in self._after(stand.body, now))

    def explain(self, stand: Stand) -> str:
        """Say, at the end of the time, what the cluster knows about the first that is not ready."""
        pod = next((pod for pod in stand.pods if not ready(pod)), None)
        about = pod if pod is not None else stand.body
        if about is None:
            return ""
        told = told_of(self._client, self._namespace, about["metadata"]["uid"])
        return next((one.message for one in told if one.warning), why_waiting(about) if pod else "")

    def _after(self, body: Body, now: float) -> Sequence[Told]:
        """Give the events of an object that has been stuck for some time; the same ones for some time."""
        uid = body["metadata"]["uid"]
        if self._memory.age(("stuck", uid), now) < ASKS:
            return ()
        at, told = self._asked.get(uid, (0.0, []))
        if not at or now - at >= ASKS:
            at, told = now, told_of(self._client, self._namespace, uid)
            self._asked[uid] = at, told
        return told


def not_made(events: Sequence[Told], since: str) -> str:
    """Say why the newest attempt to make a pod failed; empty when one was made after it."""
    failed = next((told for told in events if told.reason == "FailedCreate" and told.time >= since), None)
    made = next((told.time for told in events if told.reason == "SuccessfulCreate"), "")
    return failed.message if failed is not None and failed.time > made else ""


def not_mounted(events: Sequence[Told]) -> str:
    """Say what is missing that a volume is made of; empty when it is there by now."""
    if any(told.reason in _MOUNTED for told in events):
        return ""
    missing = (told.message for told in events if told.reason in _MOUNTS and "not found" in told.message)
    return next(missing, "")
