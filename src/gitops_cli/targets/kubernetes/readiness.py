"""Is an object what it was asked to be? The rules of kstatus, on the object alone.

A controller that has not read the newest generation says nothing about it; then conditions that any kind
may have (`Stalled`, `Reconciling`); then the kind's own rule, or `Ready` where a kind has no rule of its own.

Different from kstatus, because a release is all or nothing: a Job is ready when it is complete, not when it
has begun; a Service of type LoadBalancer when somebody gave it an address. An Ingress is ready at once: many
controllers never write its status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Body = dict[str, Any]

Why = Literal["config", "crash-loop", "deadline", "failed", "image", "not-ready", "quota", "unschedulable"]
"""What kind of reason keeps something from becoming ready."""

SETTLES = 4.0
"""Seconds that a failure must last when it may pass by itself: an old pod ends and frees its quota, a
controller writes a Secret, a condition of the version before is still there."""

_AT_ONCE = frozenset(
    {
        ("", "ConfigMap"),
        ("", "Secret"),
        ("", "ServiceAccount"),
        ("", "LimitRange"),
        ("batch", "CronJob"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("networking.k8s.io", "Ingress"),
        ("networking.k8s.io", "IngressClass"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("coordination.k8s.io", "Lease"),
    }
)
"""Kinds that are what they say as soon as the server has them: nothing to ask, so no request."""


class Verdict(msgspec.Struct, frozen=True):
    """What an object says of itself."""

    state: Literal["ready", "waiting", "failed"]
    reason: str = ""
    """Why not; from the server, and so perhaps from a push."""
    why: Why = "failed"
    """What kind of failure it is."""
    holds: float = 0.0
    """Seconds for which a failure must be so before it is final: it may pass by itself."""


READY = Verdict("ready")


def waits(body: Mapping[str, Any]) -> bool:
    """Say whether there is anything to wait for in such an object."""
    key = _key(body)
    if key == ("", "Service"):
        return bool(_at(body, "spec").get("type") == "LoadBalancer")
    return key not in _AT_ONCE


def judge(body: Body) -> Verdict:
    """Judge a live object."""
    if _at(body, "metadata").get("deletionTimestamp"):
        return _waiting("it is being deleted")
    observed, generation = (
        _at(body, "status").get("observedGeneration"),
        _number(body, "metadata", "generation"),
    )
    if isinstance(observed, int) and observed < generation:
        return _waiting("its controller has not seen the change yet")
    stalled, reconciling = condition(body, "Stalled"), condition(body, "Reconciling")
    if stalled.get("status") == "True":
        return _failed(said(stalled))
    if reconciling.get("status") == "True":
        return _waiting(said(reconciling))
    return _RULES.get(_key(body), _by_ready)(body)


def condition(body: Mapping[str, Any], kind: str) -> Body:
    """Give a condition of an object, empty when it has none of that type."""
    found = _at(body, "status").get("conditions") or ()
    return next((c for c in found if isinstance(c, dict) and c.get("type") == kind), {})


def said(found: Mapping[str, Any]) -> str:
    """Give what a condition says, in one line of bounded length."""
    return one_line(str(found.get("message") or found.get("reason") or found.get("type") or ""))


def one_line(text: str, most: int = 500) -> str:
    """Join the lines of a server's message and cut it."""
    joined = " ".join(text[: 4 * most].split())
    return joined if len(joined) <= most else joined[: most - 1] + "…"


def _key(body: Mapping[str, Any]) -> tuple[str, str]:
    return str(body.get("apiVersion", "")).rpartition("/")[0], str(body.get("kind", ""))


def _at(body: Mapping[str, Any], *path: str) -> Body:
    found: Any = body
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _number(body: Mapping[str, Any], part: str, name: str, default: int = 0) -> int:
    value = _at(body, part).get(name)
    return value if isinstance(value, int) else default


def _waiting(reason: str) -> Verdict:
    return Verdict("waiting", reason)


def _failed(reason: str) -> Verdict:
    return Verdict("failed", reason)


def _steps(*steps: tuple[bool, str]) -> Verdict:
    """Wait for the first that is not so yet."""
    return next((_waiting(reason) for missing, reason in steps if missing), READY)


def _by_ready(body: Body) -> Verdict:
    """Judge a kind of somebody else's by `Ready`; one that has no such condition is ready."""
    ready = condition(body, "Ready")
    behind = ready.get("observedGeneration")
    if isinstance(behind, int) and behind < _number(body, "metadata", "generation"):
        return _waiting("its controller has not seen the change yet")
    return READY if ready.get("status", "True") == "True" else _waiting(said(ready))


def _deployment(body: Body) -> Verdict:
    progressing = condition(body, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":  # of an earlier version, for a moment
        return Verdict("failed", said(progressing), "deadline", SETTLES)
    if (refused := _refused(body)) is not None:
        return refused
    wanted = _number(body, "spec", "replicas", 1)
    total, updated, ready, available = (
        _number(body, "status", name)
        for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return _steps(
        ("observedGeneration" not in _at(body, "status"), "its controller has not seen it yet"),
        (updated < wanted and bool(_at(body, "spec").get("paused")), "it is paused"),
        (updated < wanted, f"{updated} of {wanted} pods made"),
        (total > updated, f"{total - updated} pods of the version before are still there"),
        (ready < wanted, f"{ready} of {wanted} pods ready"),
        (available < wanted, f"{available} of {wanted} pods available"),
        (condition(body, "Available").get("status") == "False", said(condition(body, "Available"))),
    )


def _refused(body: Body) -> Verdict | None:
    """Say that the server refuses its pods: a quota, a limit, an admission rule, a missing account."""
    found = condition(body, "ReplicaFailure")
    if found.get("status") == "True" and found.get("reason") == "FailedCreate":
        return Verdict("failed", said(found), "quota", SETTLES)
    return None


def _replica_set(body: Body) -> Verdict:
    if (refused := _refused(body)) is not None:
        return refused
    wanted = _number(body, "spec", "replicas", 1)
    total, ready, available = (
        _number(body, "status", name) for name in ("replicas", "readyReplicas", "availableReplicas")
    )
    return _steps(
        ("observedGeneration" not in _at(body, "status"), "its controller has not seen it yet"),
        (total != wanted, f"{total} of {wanted} pods made"),
        (ready < wanted, f"{ready} of {wanted} pods ready"),
        (available < wanted, f"{available} of {wanted} pods available"),
    )


def _stateful_set(body: Body) -> Verdict:
    strategy = _at(body, "spec", "updateStrategy")
    partition = _at(strategy, "rollingUpdate").get("partition") or 0
    wanted = _number(body, "spec", "replicas", 1)
    status = _at(body, "status")
    total, updated, ready, available = (
        _number(body, "status", name)
        for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    )
    must = 0 if strategy.get("type") == "OnDelete" else max(wanted - partition, 0)
    revisions = must == wanted and status.get("currentRevision") != status.get("updateRevision")
    return _steps(
        ("observedGeneration" not in status, "its controller has not seen it yet"),
        (total != wanted, f"{total} of {wanted} pods made"),
        (ready < wanted, f"{ready} of {wanted} pods ready"),
        (available < wanted, f"{available} of {wanted} pods available"),
        (updated < must, f"{updated} of {must} pods are of the new version"),
        (wanted > 0 and revisions, "pods of the version before are still there"),
    )


def _daemon_set(body: Body) -> Verdict:
    status = _at(body, "status")
    wanted, current, updated, ready, available = (
        _number(body, "status", name)
        for name in (
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "updatedNumberScheduled",
            "numberReady",
            "numberAvailable",
        )
    )
    by_hand = _at(body, "spec", "updateStrategy").get("type") == "OnDelete"
    return _steps(
        ("observedGeneration" not in status, "its controller has not seen it yet"),
        (current < wanted, f"{current} of {wanted} pods made"),
        (updated < wanted and not by_hand, f"{updated} of {wanted} pods are of the new version"),
        (ready < wanted, f"{ready} of {wanted} pods ready"),
        (available < wanted, f"{available} of {wanted} pods available"),
    )


def _job(body: Body) -> Verdict:
    for name in ("Failed", "FailureTarget"):
        found = condition(body, name)
        if found.get("status") == "True":
            return _failed(said(found))
    for name in ("Complete", "Suspended"):
        if condition(body, name).get("status") == "True":
            return READY
    done = _number(body, "status", "succeeded")
    return _waiting(f"{done} of {_number(body, 'spec', 'completions', 1)} done")


def _pod(body: Body) -> Verdict:
    phase = _at(body, "status").get("phase")
    if phase == "Succeeded" or condition(body, "Ready").get("status") == "True":
        return READY
    if phase == "Failed":
        return _failed(one_line(str(_at(body, "status").get("message") or "it failed")))
    return _waiting(said(condition(body, "Ready")) or "it has not started")


def _claim(body: Body) -> Verdict:
    phase = _at(body, "status").get("phase")
    if phase == "Lost":
        return _failed("its volume is lost")
    return _steps((phase != "Bound", "it has no volume yet"))


def _service(body: Body) -> Verdict:
    if _at(body, "spec").get("type") != "LoadBalancer":
        return READY
    given = _at(body, "status", "loadBalancer").get("ingress")
    return _steps((not given, "no load balancer has given it an address yet"))


def _disruption_budget(body: Body) -> Verdict:
    """Wait until it was computed. Whether enough pods are healthy is the workload's question."""
    return _steps(
        ("observedGeneration" not in _at(body, "status"), "its controller has not seen it yet"),
    )


def _autoscaler(body: Body) -> Verdict:
    """Wait for its target only: without a metrics server it stays idle and hinders nobody."""
    able = condition(body, "AbleToScale")
    return _steps((able.get("reason") == "FailedGetScale", said(able)))


def _definition(body: Body) -> Verdict:
    names = condition(body, "NamesAccepted")
    if names.get("status") == "False" and names.get("reason") != "NotAccepted":
        return _failed(said(names))
    established = condition(body, "Established").get("status") == "True"
    return _steps((not established, "the server does not serve it yet"))


def _namespace(body: Body) -> Verdict:
    return _steps((_at(body, "status").get("phase") != "Active", "it is not active"))


_RULES: dict[tuple[str, str], Callable[[Body], Verdict]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): lambda _: READY,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("", "Namespace"): _namespace,
    ("", "ReplicationController"): _replica_set,
    ("policy", "PodDisruptionBudget"): _disruption_budget,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("networking.k8s.io", "Ingress"): lambda _: READY,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
