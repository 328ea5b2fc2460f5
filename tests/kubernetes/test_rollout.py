"""Rollouts on a real node: what becomes ready is waited for, what cannot is named at once."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.adapters.text import safe
from gitops_cli.errors import Unhealthy
from gitops_cli.targets.kubernetes.pods import processes
from tests.kubernetes.rolling import SERVES, Site, container, job, site_of, workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.given import Cluster

pytestmark = pytest.mark.node


@pytest.fixture
def site(node: Cluster, node_namespace: str, tmp_path: Path) -> Iterator[Site]:
    with site_of(node, node_namespace, tmp_path) as site:
        yield site


@pytest.fixture
def image(node: Cluster) -> str:
    return node.images.python


def ends(site: Site) -> list[float]:
    """When containers ended, by the node's clock, which is ours."""
    found = []
    for pod in site.live("v1", "Pod"):
        for status in pod["status"].get("containerStatuses", ()):
            states = (status.get(part, {}).get("terminated") for part in ("state", "lastState"))
            found += [datetime.fromisoformat(end["finishedAt"]).timestamp() for end in states if end]
    return sorted(found)


def test_a_good_set_is_waited_for_with_progress(site: Site, image: str) -> None:
    ready = {"readinessProbe": {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1}}
    script = f"sleep 1.5; echo yes > /tmp/ready; {SERVES}"
    objects = site.apply(
        workload("Deployment", container(image, script, **ready), replicas=2),
        workload("StatefulSet", container(image, SERVES), name="db"),
        workload("DaemonSet", container(image, SERVES), name="each"),
        job(container(image, "exit 0")),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "page"}, "data": {"a": "b"}},
    )
    assert site.wait(*objects) == "4 workloads ready"
    said = "\n".join(site.heard.lines)
    assert "web: 0 of 2 pods ready" in said
    # one a second at most; when it is heard is up to the machine too
    assert all(b - a > 0.5 for a, b in zip(site.heard.times, site.heard.times[1:], strict=False))

    before = site.client.sent
    site.heard.lines.clear()
    assert site.wait(*objects) == "4 workloads ready"
    assert site.client.sent - before == 4  # one LIST a kind that has anything to wait for, and no watch
    assert site.heard.lines == []

    told = processes(site.client, site.namespace, objects, release=7, commit="abc")
    assert sorted(p.workload for p in told) == ["db", "each", "once", "web", "web"]
    assert all(p.ready and p.release == 7 and p.commit == "abc" and not p.restarts for p in told)


@pytest.mark.alone
@pytest.mark.row(80)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_container_that_ends_twice_fails_at_once_with_its_last_lines(
    site: Site, image: str, kind: str
) -> None:
    script = r"for i in $(seq 30); do echo line $i; done; printf 'bad \033[31mport\n'; exit 3"
    script = script.replace("$(seq 30)", " ".join(map(str, range(30))))
    objects = site.apply(workload(kind, container(image, script)))
    with pytest.raises(Unhealthy) as failed:
        site.wait(*objects)
    assert time.time() - ends(site)[-1] < 10
    assert failed.value.code == "kubernetes.crash-loop"
    assert f"{kind} web, pod web-" in failed.value.cause
    assert "ended with 3 twice before it was ready, its last line: bad \x1b[31mport" in failed.value.cause
    assert "\x1b" not in safe(failed.value.sentence())
    shown = [line for line in site.heard.lines if line.startswith(("web: line", "web: bad"))]
    assert shown == [*(f"web: line {i}" for i in range(11, 30)), "web: bad \x1b[31mport"]


@pytest.mark.alone
@pytest.mark.row(80)
def test_an_image_that_is_not_there_fails_at_the_first_answer(site: Site, image: str) -> None:
    absent = f"{image.partition('/')[0]}/absent@sha256:{'0' * 64}"
    began = time.monotonic()
    with pytest.raises(Unhealthy, match=r"cannot be pulled.*not found") as failed:
        site.wait(*site.apply(workload("Deployment", container(absent, SERVES))))
    assert failed.value.code == "kubernetes.image"
    assert time.monotonic() - began < 10


@pytest.mark.row(80)
def test_a_registry_that_does_not_answer_is_asked_twice(site: Site, image: str) -> None:
    nobody = f"{image.partition(':')[0]}:1/web@sha256:{'0' * 64}"
    with pytest.raises(Unhealthy, match=r"cannot be pulled.*(refused|connect)") as failed:
        site.wait(*site.apply(workload("Deployment", container(nobody, SERVES))))
    assert failed.value.code == "kubernetes.image"
    assert any("ImagePullBackOff" in line for line in site.heard.lines)


@pytest.mark.row(80)
def test_a_missing_key_of_a_secret_is_named(site: Site, image: str) -> None:
    site.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"a": "b"}})
    env = [{"name": "URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}]
    with pytest.raises(Unhealthy, match="couldn't find key url in Secret") as failed:
        site.wait(*site.apply(workload("Deployment", container(image, SERVES, env=env))))
    assert failed.value.code == "kubernetes.config"


@pytest.mark.row(80)
def test_a_missing_config_map_of_a_volume_is_named(site: Site, image: str) -> None:
    mounted = container(image, SERVES, volumeMounts=[{"name": "conf", "mountPath": "/conf"}])
    volumes = [{"name": "conf", "configMap": {"name": "absent"}}]
    with pytest.raises(Unhealthy, match='configmap "absent" not found') as failed:
        site.wait(*site.apply(workload("Deployment", mounted, volumes=volumes)))
    assert failed.value.code == "kubernetes.config"


@pytest.mark.row(80)
def test_what_is_never_ready_fails_at_the_end_of_its_time_with_the_probes_words(
    site: Site, image: str
) -> None:
    probe = {"exec": {"command": ["sh", "-c", "echo not today; exit 1"]}, "periodSeconds": 1}
    objects = site.apply(workload("Deployment", container(image, SERVES, readinessProbe=probe)))
    with pytest.raises(Unhealthy) as failed:
        site.wait(*objects, timeout=15)
    assert failed.value.code == "kubernetes.not-ready"
    assert "not ready within 15 s: Readiness probe failed: not today" in failed.value.cause
    assert "its last line: serving" in failed.value.cause
    assert "web: serving" in site.heard.lines


@pytest.mark.row(80)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_only_pods_of_the_new_version_count_and_the_old_one_can_come_back(
    site: Site, image: str, kind: str
) -> None:
    good, bad = workload(kind, container(image, SERVES)), workload(kind, container(image, "exit 4"))
    site.wait(*site.apply(good))
    (old,) = (pod["metadata"]["uid"] for pod in site.live("v1", "Pod"))
    objects = site.apply(bad)
    with pytest.raises(Unhealthy, match="ended with 4"):
        site.wait(*objects)
    if kind == "Deployment":
        told = processes(site.client, site.namespace, objects, release=2, commit="new")
        assert {(p.release, p.ready) for p in told} == {(0, True), (2, False)}
    site.wait(*site.apply(good))  # a StatefulSet keeps its broken pod until somebody deletes it
    pods = [p for p in site.live("v1", "Pod") if not p["metadata"].get("deletionTimestamp")]
    assert len(pods) == 1
    if kind == "Deployment":
        assert pods[0]["metadata"]["uid"] == old


@pytest.mark.row(80)
def test_a_pod_that_runs_and_is_never_ready_does_not_bar_the_version_before(site: Site, image: str) -> None:
    """The controller of a StatefulSet waits for it for ever; the mended version would wait too."""
    good = workload("StatefulSet", container(image, SERVES), replicas=2)
    never = {"readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1}}
    bad = workload("StatefulSet", container(image, SERVES, **never), replicas=2)
    site.wait(*site.apply(good))
    with pytest.raises(Unhealthy):
        site.wait(*site.apply(bad), timeout=8)
    site.wait(*site.apply(good))
    (live,) = site.live("apps/v1", "StatefulSet")
    assert live["status"]["updatedReplicas"] == live["status"]["readyReplicas"] == 2


@pytest.mark.row(80)
def test_old_pods_that_take_their_time_to_end_hold_up_a_new_version_and_no_more(
    site: Site, image: str
) -> None:
    site.limit(pods="1")
    slow = "trap '' TERM; echo serving; while true; do sleep 0.2; done"
    first = workload("Deployment", container(image, slow), terminationGracePeriodSeconds=10)
    first["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    site.wait(*site.apply(first))
    first["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "2"}]
    site.wait(*site.apply(first))


@pytest.mark.row(80)
def test_a_full_quota_holds_a_new_version_back_only_until_old_pods_end(site: Site, image: str) -> None:
    site.limit(pods="1")
    first = workload("Deployment", container(image, SERVES))
    first["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    site.wait(*site.apply(first))
    first["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "2"}]
    site.wait(*site.apply(first))


def test_a_claim_is_waited_for(site: Site, image: str, volume: Callable[[str], dict[str, Any]]) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": volume("1Gi"),
    }
    assert site.wait(*site.apply(claim)) == "1 object ready"


def test_a_failed_job_of_the_set_is_shown(site: Site, image: str) -> None:
    with pytest.raises(Unhealthy, match=r"Job once: .*, its last line: no seeds") as failed:
        site.wait(*site.apply(job(container(image, "echo no seeds; exit 1"))))
    assert failed.value.code == "kubernetes.failed"
