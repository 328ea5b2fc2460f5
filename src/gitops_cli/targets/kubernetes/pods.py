"""Whose pods are these, and of which version? Only those of the newest version tell about a rollout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitops_cli.errors import Bug
from gitops_cli.targets.kubernetes.readiness import condition
from gitops_cli.targets.kubernetes.verdicts import statuses, why_waiting
from gitops_cli.targets.protocol import Process

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitops_cli.adapters.kubernetes.client import Client
    from gitops_cli.adapters.kubernetes.objects import Kind
    from gitops_cli.targets.kubernetes.readiness import Body
    from gitops_cli.targets.kubernetes.rendering import Rendered

REVISION = "deployment.kubernetes.io/revision"
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
WORKLOADS = frozenset(
    {
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("apps", "ReplicaSet"),
        ("", "ReplicationController"),
        ("batch", "Job"),
        ("", "Pod"),
    }
)
"""Kinds that make pods, as (group, kind)."""


def found(client: Client, api_version: str, kind: str) -> Kind:
    """Give a kind that every server has."""
    known = client.kinds().find(api_version, kind)
    if known is None:
        raise Bug(f"the cluster does not serve {kind} of {api_version}", code="kubernetes.kind")
    return known


def all_of(workload: Body, pods: Iterable[Body], sets: Iterable[Body] = ()) -> list[Body]:
    """Give every pod of a workload, of whatever version. `sets`: the ReplicaSets of the namespace."""
    if workload["kind"] == "Pod":
        return [workload]
    owners = {workload["metadata"]["uid"]}
    if workload["kind"] == "Deployment":
        owners = {s["metadata"]["uid"] for s in sets if _owner(s) in owners}
    return [pod for pod in pods if _owner(pod) in owners]


def older(workload: Body, pods: Iterable[Body], sets: Iterable[Body] = ()) -> list[Body]:
    """Give the pods of a version that is no longer wanted and that are not being deleted."""
    every = [pod for pod in all_of(workload, pods, sets) if not pod["metadata"].get("deletionTimestamp")]
    if not _observed(workload):
        return []
    new = {pod["metadata"]["uid"] for pod in newest(workload, pods, sets)}
    return [pod for pod in every if pod["metadata"]["uid"] not in new]


def replaced(workload: Body | None, pods: Iterable[Body]) -> list[Body]:
    """Give those pods of a StatefulSet that its controller replaces by ones of its newest version itself."""
    strategy = ((workload or {}).get("spec") or {}).get("updateStrategy") or {}
    if workload is None or strategy.get("type") == "OnDelete":
        return []
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    return [pod for pod in pods if int(pod["metadata"]["name"].rpartition("-")[2]) >= partition]


def newest(workload: Body, pods: Iterable[Body], sets: Iterable[Body] = ()) -> list[Body]:
    """Give the pods of a workload's newest version that are not being deleted.

    None as long as its controller has not seen the newest generation: which version is new is its answer.
    """
    if not _observed(workload):
        return []
    if workload["kind"] == "Deployment":
        revision = _annotation(workload, REVISION)
        sets = [s for s in sets if _annotation(s, REVISION) == revision]
    label, value = _version(workload)
    return [
        pod
        for pod in all_of(workload, pods, sets)
        if not pod["metadata"].get("deletionTimestamp")
        and (not label or (pod["metadata"].get("labels") or {}).get(label) == value)
    ]


def ready(pod: Body) -> bool:
    """Say whether a pod takes requests, or has done its work."""
    done = (pod.get("status") or {}).get("phase") == "Succeeded"
    return done or condition(pod, "Ready").get("status") == "True"


def restarts(pod: Body) -> int:
    """Count how often the containers of a pod were started again."""
    return sum(int(status.get("restartCount") or 0) for status in statuses(pod))


def processes(
    client: Client, namespace: str, objects: Sequence[Rendered], *, release: int, commit: str
) -> tuple[Process, ...]:
    """Tell of each pod of a set: a LIST for each kind of workload, one for pods, one for ReplicaSets.

    A pod of an older version has no release and no commit.
    """
    wanted = {(o.api_version, o.key.kind): set[str]() for o in objects if _makes_pods(o)}
    for rendered in objects:
        if _makes_pods(rendered):
            wanted[rendered.api_version, rendered.key.kind].add(rendered.key.name)
    if not wanted:
        return ()
    pods, sets = listed(client, namespace, deployments=("apps/v1", "Deployment") in wanted)
    told: list[Process] = []
    for (api_version, kind), names in wanted.items():
        for body in client.list_full(found(client, api_version, kind), namespace)[0]:
            if body["metadata"]["name"] in names:
                new = {pod["metadata"]["uid"] for pod in newest(body, pods, sets)}
                told += [
                    _process(body, pod, release, commit)
                    if pod["metadata"]["uid"] in new
                    else _process(body, pod, 0, "")
                    for pod in all_of(body, pods, sets)
                ]
    return tuple(told)


def listed(client: Client, namespace: str, *, deployments: bool = True) -> tuple[list[Body], list[Body]]:
    """Give the pods of a namespace, and its ReplicaSets where Deployments need them."""
    pods = client.list_full(found(client, "v1", "Pod"), namespace)[0]
    sets = client.list_full(found(client, "apps/v1", "ReplicaSet"), namespace)[0] if deployments else []
    return pods, sets


def _observed(workload: Body) -> bool:
    """Say whether the controller has seen the newest generation; a Job or a Pod has only one."""
    if workload["kind"] not in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"):
        return True
    seen = (workload.get("status") or {}).get("observedGeneration", 0)
    return bool(seen >= workload["metadata"].get("generation", 0))


def _makes_pods(rendered: Rendered) -> bool:
    return (rendered.key.group, rendered.key.kind) in WORKLOADS


def _process(workload: Body, pod: Body, release: int, commit: str) -> Process:
    leaving = "ending" if pod["metadata"].get("deletionTimestamp") else why_waiting(pod)
    return Process(
        workload=str(workload["metadata"]["name"]),
        release=release,
        commit=commit,
        pid=0,
        ready=ready(pod),
        restarts=restarts(pod),
        reason=leaving,
    )


def _version(workload: Body) -> tuple[str, str]:
    """Name the label by which pods of the newest version are known; empty where every pod is of it."""
    if workload["kind"] == "StatefulSet":
        return "controller-revision-hash", str((workload.get("status") or {}).get("updateRevision"))
    generation = _annotation(workload, _TEMPLATE_GENERATION)
    if workload["kind"] == "DaemonSet" and generation:
        return "pod-template-generation", generation
    return "", ""


def _owner(body: Body) -> str:
    for reference in body["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return ""


def _annotation(body: Body, name: str) -> str:
    found: dict[str, Any] = body["metadata"].get("annotations") or {}
    return str(found.get(name, ""))
