"""What the API server and its controllers say without any node: refused pods, no room, definitions, budgets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.errors import Unhealthy
from gitops_cli.targets.kubernetes.readiness import judge
from tests.cluster.parts import wait
from tests.kubernetes.rolling import NO_IMAGE, SERVES, Site, container, job, site_of, workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.given import Cluster

pytestmark = pytest.mark.cluster


@pytest.fixture
def site(control_plane: Cluster, namespace: str, tmp_path: Path) -> Iterator[Site]:
    with site_of(control_plane, namespace, tmp_path) as site:
        yield site


@pytest.mark.row(80)
@pytest.mark.parametrize(
    "body",
    [
        *(
            workload(kind, container(NO_IMAGE, SERVES))
            for kind in ("Deployment", "StatefulSet", "ReplicaSet")
        ),
        job(container(NO_IMAGE, SERVES), name="web"),
    ],
    ids=lambda body: body["kind"],
)
def test_an_exceeded_quota_is_named_at_once(site: Site, body: dict[str, Any]) -> None:
    site.limit(pods="0")
    objects = site.apply(body)
    began = time.monotonic()
    with pytest.raises(Unhealthy, match="exceeded quota: small") as failed:
        site.wait(*objects)
    assert failed.value.code == "kubernetes.quota"
    assert time.monotonic() - began < 20


@pytest.mark.row(80)
def test_no_node_with_room_is_named_after_the_operators_time(site: Site) -> None:
    objects = site.apply(workload("Deployment", container(NO_IMAGE, SERVES)))
    began = time.monotonic()
    with pytest.raises(Unhealthy, match="no node can take it: no nodes available") as failed:
        site.wait(*objects, unschedulable=3)
    assert failed.value.code == "kubernetes.unschedulable"
    assert 3 <= time.monotonic() - began < 30
    assert any("web: 0 of 1 pods ready (Unschedulable)" in line for line in site.heard.lines)


def test_an_object_that_is_not_there_is_named(site: Site) -> None:
    objects = site.apply(workload("Deployment", container(NO_IMAGE, SERVES), replicas=0))
    site.wait(*objects)
    known = site.client.kinds().find("apps/v1", "Deployment")
    assert known is not None
    site.client.delete(known, site.namespace, "web")
    with pytest.raises(Unhealthy, match="Deployment web: not ready within 1 s: it is not there"):
        site.wait(*objects, timeout=1)


def test_what_controllers_write_is_understood(site: Site) -> None:
    """Objects as the real controllers leave them, each judged when nothing changes any more."""
    labels = {"matchLabels": {"app": "web"}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    objects = site.apply(
        workload("Deployment", container(NO_IMAGE, SERVES), replicas=0),
        workload("StatefulSet", container(NO_IMAGE, SERVES), name="db", replicas=0),
        workload("DaemonSet", container(NO_IMAGE, SERVES), name="each"),
        _named("policy/v1", "PodDisruptionBudget", {"maxUnavailable": 1, "selector": labels}),
        _named("autoscaling/v2", "HorizontalPodAutoscaler", {"maxReplicas": 3, "scaleTargetRef": target}),
        _named("v1", "Service", {"selector": {"app": "web"}, "ports": [{"port": 80}]}),
        _named("networking.k8s.io/v1", "Ingress", {"defaultBackend": _backend()}),
        _named("batch/v1", "CronJob", _schedule()),
        _named("networking.k8s.io/v1", "NetworkPolicy", {"podSelector": {}}),
    )
    assert site.wait(*objects) == "3 workloads ready"


def test_a_load_balancer_that_nobody_provides_is_named(site: Site) -> None:
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    with pytest.raises(Unhealthy, match="Service web: not ready within 1 s: no load balancer has given it"):
        site.wait(*site.apply(_named("v1", "Service", spec)), timeout=1)


def test_a_claim_whose_volume_waits_for_a_pod_is_not_waited_for(site: Site, control_plane: Cluster) -> None:
    path, name = "/apis/storage.k8s.io/v1/storageclasses", f"later-{site.namespace}"
    control_plane.api.post(
        path,
        {
            "metadata": {"name": name},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
    )
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    try:
        later = _named("v1", "PersistentVolumeClaim", {**spec, "storageClassName": name})
        assert site.wait(*site.apply(later)) == "1 object ready"
        never = _named("v1", "PersistentVolumeClaim", {**spec, "storageClassName": "absent"})
        never["metadata"]["name"] = "never"
        with pytest.raises(Unhealthy, match=r'not ready within 5 s.*storageclass.* "absent" not found'):
            site.wait(*site.apply(never), timeout=5)
    finally:
        control_plane.api.delete(f"{path}/{name}")


def test_a_definition_is_waited_for(site: Site, control_plane: Cluster) -> None:
    group = f"{site.namespace}.example.org"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    try:
        made = control_plane.api.post(path, body)
        assert judge(made).state == "waiting"
        wait(
            "the definition", lambda: judge(control_plane.api.get(f"{path}/things.{group}")).state == "ready"
        )
    finally:
        control_plane.api.delete(f"{path}/things.{group}")


def _named(api_version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}, "spec": spec}


def _backend() -> dict[str, Any]:
    return {"service": {"name": "web", "port": {"number": 80}}}


def _schedule() -> dict[str, Any]:
    return {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job(container(NO_IMAGE, "exit 0"))["spec"]}}
