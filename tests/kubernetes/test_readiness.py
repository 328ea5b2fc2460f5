from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gitops_cli.targets.kubernetes.readiness import SETTLES, judge, waits
from tests.kubernetes.objects import Body, body, conditions, seen


def deployment(wanted: int = 2, *, paused: bool = False, **status: Any) -> Body:
    return body("apps/v1", "Deployment", spec={"replicas": wanted, "paused": paused}, status=dict(status))


def counts(total: int, updated: int, ready: int, available: int) -> Body:
    return {
        "observedGeneration": 2,
        "replicas": total,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
    }


def stateful(wanted: int = 2, strategy: Body | None = None, **status: Any) -> Body:
    spec = {"replicas": wanted, "updateStrategy": strategy or {"type": "RollingUpdate"}}
    return body("apps/v1", "StatefulSet", spec=spec, status=dict(status))


def daemon(strategy: str = "RollingUpdate", **status: Any) -> Body:
    return body("apps/v1", "DaemonSet", spec={"updateStrategy": {"type": strategy}}, status=dict(status))


def on_nodes(wanted: int, current: int, updated: int, ready: int, available: int) -> Body:
    return {
        "observedGeneration": 2,
        "desiredNumberScheduled": wanted,
        "currentNumberScheduled": current,
        "updatedNumberScheduled": updated,
        "numberReady": ready,
        "numberAvailable": available,
    }


def of(api_version: str, kind: str, *told: str, **status: Any) -> Body:
    return body(api_version, kind, status=dict(status) | {"conditions": conditions(*told)})


def crd(*told: str) -> Body:
    return of("apiextensions.k8s.io/v1", "CustomResourceDefinition", *told)


def claim(phase: str) -> Body:
    return body("v1", "PersistentVolumeClaim", status={"phase": phase})


def service(kind: str, *addresses: str) -> Body:
    status = {"loadBalancer": {"ingress": [{"ip": ip} for ip in addresses]} if addresses else {}}
    return body("v1", "Service", spec={"type": kind}, status=status)


READY = {
    "deployment": deployment(**counts(2, 2, 2, 2)),
    "deployment of nothing": deployment(0, **counts(0, 0, 0, 0)),
    "deployment without a replica count": body("apps/v1", "Deployment", status=counts(1, 1, 1, 1)),
    "stateful set": stateful(**counts(2, 2, 2, 2), currentRevision="a", updateRevision="a"),
    "stateful set, partition": stateful(
        2,
        {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
        **counts(2, 1, 2, 2),
        currentRevision="a",
        updateRevision="b",
    ),
    "stateful set by hand": stateful(
        2, {"type": "OnDelete"}, **counts(2, 0, 2, 2), currentRevision="a", updateRevision="b"
    ),
    "daemon set": daemon(**on_nodes(3, 3, 3, 3, 3)),
    "daemon set by hand": daemon("OnDelete", **on_nodes(3, 3, 0, 3, 3)),
    "daemon set for no node": daemon(**on_nodes(0, 0, 0, 0, 0)),
    "replica set": body("apps/v1", "ReplicaSet", spec={"replicas": 1}, status=counts(1, 0, 1, 1)),
    "job": of("batch/v1", "Job", "SuccessCriteriaMet=True", "Complete=True", succeeded=1),
    "job, suspended": of("batch/v1", "Job", "Suspended=True"),
    "cron job": body("batch/v1", "CronJob"),
    "pod": of("v1", "Pod", "Ready=True", phase="Running"),
    "pod that is done": of("v1", "Pod", "Ready=False:PodCompleted", phase="Succeeded"),
    "service": service("ClusterIP"),
    "load balancer": service("LoadBalancer", "192.0.2.1"),
    "claim": claim("Bound"),
    "budget": body("policy/v1", "PodDisruptionBudget", status=seen()),
    "autoscaler without metrics": of(
        "autoscaling/v2", "HorizontalPodAutoscaler", "ScalingActive=False:FailedGetResourceMetric"
    ),
    "ingress": body("networking.k8s.io/v1", "Ingress"),
    "definition": crd("NamesAccepted=True", "Established=True"),
    "namespace": body("v1", "Namespace", status={"phase": "Active"}),
    "somebody's": of("example.org/v1", "Thing", "Ready=True"),
    "somebody's without conditions": body("example.org/v1", "Thing"),
    "config map": body("v1", "ConfigMap"),
}


@pytest.mark.parametrize("live", READY.values(), ids=READY.keys())
def test_is_ready(live: Body) -> None:
    assert judge(live) == msgspec.structs.replace(judge(live), state="ready", reason="")


WAITING = {
    "not seen": (deployment(**counts(2, 2, 2, 2) | {"observedGeneration": 1}), "has not seen the change"),
    "new": (deployment(), "has not seen it yet"),
    "paused": (deployment(paused=True, **counts(2, 0, 2, 2)), "it is paused"),
    "made": (deployment(**counts(2, 1, 2, 2)), "1 of 2 pods made"),
    "old pods": (deployment(**counts(3, 2, 3, 3)), "1 pods of the version before"),
    "ready": (deployment(**counts(2, 2, 1, 1)), "1 of 2 pods ready"),
    "available": (deployment(**counts(2, 2, 2, 1)), "1 of 2 pods available"),
    "deleted": (body("apps/v1", "Deployment", status=counts(1, 1, 1, 1), deletionTimestamp="x"), "deleted"),
    "stateful set, total": (stateful(**counts(1, 1, 1, 1)), "1 of 2 pods made"),
    "stateful set, ready": (stateful(**counts(2, 2, 1, 1)), "1 of 2 pods ready"),
    "stateful set, updated": (
        stateful(**counts(2, 1, 2, 2), currentRevision="a", updateRevision="b"),
        "1 of 2 pods are of the new version",
    ),
    "stateful set, revision": (
        stateful(**counts(2, 2, 2, 2), currentRevision="a", updateRevision="b"),
        "pods of the version before",
    ),
    "stateful set, partition": (
        stateful(
            2,
            {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
            **counts(2, 0, 2, 2),
            updateRevision="b",
        ),
        "0 of 1 pods are of the new version",
    ),
    "daemon set, updated": (daemon(**on_nodes(3, 3, 1, 3, 3)), "1 of 3 pods are of the new version"),
    "daemon set, current": (daemon(**on_nodes(3, 2, 2, 2, 2)), "2 of 3 pods made"),
    "daemon set, ready": (daemon(**on_nodes(3, 3, 3, 2, 2)), "2 of 3 pods ready"),
    "replica set": (body("apps/v1", "ReplicaSet", spec={"replicas": 2}, status=counts(1, 0, 1, 1)), "1 of 2"),
    "job that runs": (body("batch/v1", "Job", status={"active": 1, "startTime": "x"}), "0 of 1 done"),
    "pod": (of("v1", "Pod", "Ready=False:ContainersNotReady", phase="Running"), "about Ready"),
    "claim": (claim("Pending"), "no volume"),
    "load balancer": (service("LoadBalancer"), "address"),
    "budget": (body("policy/v1", "PodDisruptionBudget"), "has not seen it"),
    "autoscaler of nothing": (
        of("autoscaling/v2", "HorizontalPodAutoscaler", "AbleToScale=False:FailedGetScale"),
        "about AbleToScale",
    ),
    "definition": (crd("NamesAccepted=True"), "does not serve it"),
    "namespace": (body("v1", "Namespace", status={"phase": "Terminating"}), "not active"),
    "somebody's, false": (of("example.org/v1", "Thing", "Ready=False:Making"), "about Ready"),
    "somebody's, unknown": (of("example.org/v1", "Thing", "Ready=Unknown"), "about Ready"),
    "somebody's, reconciling": (
        of("example.org/v1", "Thing", "Reconciling=True", "Ready=True"),
        "Reconciling",
    ),
    "somebody's, of before": (
        body(
            "example.org/v1",
            "Thing",
            status={"conditions": conditions("Ready=True", observedGeneration=1)},
        ),
        "has not seen the change",
    ),
}


@pytest.mark.parametrize(("live", "reason"), WAITING.values(), ids=WAITING.keys())
def test_waits(live: Body, reason: str) -> None:
    verdict = judge(live)
    assert verdict.state == "waiting"
    assert reason in verdict.reason


FAILED = {
    "deadline": (
        of("apps/v1", "Deployment", "Progressing=False:ProgressDeadlineExceeded", **counts(2, 1, 1, 1)),
        "deadline",
        SETTLES,
    ),
    "quota": (
        of("apps/v1", "Deployment", "ReplicaFailure=True:FailedCreate", **counts(1, 0, 1, 1)),
        "quota",
        SETTLES,
    ),
    "replica set's quota": (
        of("apps/v1", "ReplicaSet", "ReplicaFailure=True:FailedCreate", **counts(0, 0, 0, 0)),
        "quota",
        SETTLES,
    ),
    "job": (of("batch/v1", "Job", "Failed=True:BackoffLimitExceeded"), "failed", 0.0),
    "job that ends": (of("batch/v1", "Job", "FailureTarget=True:DeadlineExceeded"), "failed", 0.0),
    "pod": (body("v1", "Pod", status={"phase": "Failed", "message": "evicted"}), "failed", 0.0),
    "claim": (claim("Lost"), "failed", 0.0),
    "definition": (crd("NamesAccepted=False:ListKindConflict"), "failed", 0.0),
    "somebody's": (of("example.org/v1", "Thing", "Stalled=True:Bad", "Ready=True"), "failed", 0.0),
}


@pytest.mark.parametrize(("live", "why", "holds"), FAILED.values(), ids=FAILED.keys())
def test_has_failed(live: Body, why: str, holds: float) -> None:
    verdict = judge(live)
    assert (verdict.state, verdict.why, verdict.holds) == ("failed", why, holds)
    assert verdict.reason


def test_what_was_said_about_an_older_version_does_not_count() -> None:
    old = of("apps/v1", "Deployment", "Progressing=False:ProgressDeadlineExceeded", observedGeneration=1)
    assert judge(old).state == "waiting"
    assert judge(of("example.org/v1", "Thing", "Stalled=True", observedGeneration=1)).state == "waiting"


def test_a_message_is_one_line_of_bounded_length() -> None:
    told = [{"type": "Ready", "status": "False", "message": "a\nb\t" + "x" * 10_000}]
    reason = judge(body("example.org/v1", "Thing", status={"conditions": told})).reason
    assert reason.startswith("a b x")
    assert len(reason) == 500


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "ServiceAccount"])
def test_nothing_is_asked_about_what_is_ready_at_once(kind: str) -> None:
    assert not waits(body("v1", kind))


def test_only_a_load_balancer_is_waited_for_among_services() -> None:
    assert not waits(service("ClusterIP"))
    assert waits(service("LoadBalancer"))
    assert waits(body("example.org/v1", "Service"))
    assert waits(deployment())
