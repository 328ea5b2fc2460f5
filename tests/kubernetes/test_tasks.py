"""Jobs and checks on a real node: they run with what the service has, tell what they print, and are gone after."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.adapters.text import safe
from gitops_cli.config.project import Project, ServiceSpec
from gitops_cli.config.remote import KubernetesAt
from gitops_cli.config.workloads import Manifest, Manifests
from gitops_cli.errors import Failed, Refused, StepTimeout
from gitops_cli.targets.kubernetes import tasks
from gitops_cli.targets.kubernetes.jobspec import job, job_name
from gitops_cli.targets.protocol import AppSet, Task
from tests.cluster.parts import wait
from tests.kubernetes.rolling import SERVES, Heard, Noted, Site, container, site_of, workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitops_cli.pipeline.protocol import Silent
    from tests.cluster.given import Cluster

PINNED = "registry.example.org/web@sha256:" + "1" * 64


def manifest(body: dict[str, Any]) -> Manifest:
    name = body["metadata"]["name"]
    return Manifest(
        api_version=body["apiVersion"], kind=body["kind"], name=name, raw=body, file="deploy/web.yaml", line=1
    )


def wanted(*bodies: dict[str, Any], release: int = 7, services: tuple[str, ...] = ("web",)) -> AppSet:
    return AppSet(
        environment="preview/x",
        release=release,
        commit="a" * 40,
        tree="b" * 40,
        project=Project(name="shop", services={name: ServiceSpec() for name in services}),
        manifests=Manifests(all=tuple(map(manifest, bodies))),
    )


def task(*command: str, timeout: float = 60, name: str = "seed") -> Task:
    return Task(name=name, service="web", command=command, timeout=timeout)


def serving(**more: Any) -> dict[str, Any]:
    """A Deployment of the service, with everything that a job takes over and what it does not."""
    spec = container("web", SERVES, ports=[{"containerPort": 80}], readinessProbe={"tcpSocket": {"port": 80}})
    return workload("Deployment", spec | more, securityContext={"runAsUser": 1000}, hostname="web")


def test_a_job_has_what_its_service_has() -> None:
    env = [{"name": "URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}]
    at = KubernetesAt(namespace="shop", in_cluster=True, images={"web": PINNED})
    body = job(task("seed", "--all", timeout=1.5), wanted(serving(env=env, args=["x"])), at)
    spec = body["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (
        0,
        2,
        600,
    )
    pod = spec["template"]["spec"]
    assert pod.pop("containers") == [
        {"name": "web", "image": PINNED, "command": ["seed", "--all"], "env": env}
    ]
    assert pod == {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 1000},
        "terminationGracePeriodSeconds": 5,
    }
    assert body["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "gitops",
        "gitops-cli/app": "shop",
        "gitops-cli/environment": "preview.x",
        "gitops-cli/release": "7",
        "gitops-cli/job": "seed",
    }
    assert spec["template"]["metadata"]["labels"] == {"gitops-cli/release": "7", "gitops-cli/job": "seed"}


def test_a_service_that_no_manifest_runs_has_its_image_alone() -> None:
    at = KubernetesAt(namespace="shop", in_cluster=True, images={"web": PINNED})
    pod = job(task("true"), wanted(), at)["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == PINNED
    assert pod["containers"][0]["securityContext"]["runAsNonRoot"] is True
    with pytest.raises(Refused, match="seed wants the service web"):
        job(task("true"), wanted(), KubernetesAt(namespace="shop", in_cluster=True))


def test_a_name_belongs_to_one_release_of_one_environment() -> None:
    first = job_name(wanted(), task("true"))
    assert first == job_name(wanted(), task("false"))
    assert first.startswith("shop-seed-7-")
    assert first != job_name(wanted(release=8), task("true"))
    long = job_name(wanted(), task("true", name="x" * 52))
    assert len(long) <= 63
    assert not long.startswith("-")


class Cluster7:
    """One release's tasks in a namespace with a node."""

    def __init__(self, site: Site, image: str) -> None:
        self.site = site
        self.record = Noted()
        self.at = KubernetesAt(namespace=site.namespace, in_cluster=True, images={"web": image})
        self.set = wanted(serving(env=[{"name": "GREETING", "value": "hello"}]))

    def run(self, *command: str, watch: Silent | None = None, **more: Any) -> None:
        unschedulable = more.pop("unschedulable", 60)
        tasks.run_task(
            self.site.client,
            self.site.namespace,
            task(*command, **more),
            self.set,
            self.at,
            record=self.record,
            watch=watch or self.site.heard,
            unschedulable=unschedulable,
        )

    def clean(self) -> int:
        return tasks.clean(self.site.client, self.site.namespace, "shop", "preview/x", release=7)

    def leaves_nothing(self) -> None:
        """The Job has been deleted; the cluster takes a moment to end its pod."""
        jobs = self.site.live("batch/v1", "Job")
        assert all(body["metadata"].get("deletionTimestamp") for body in jobs)
        wait("the end of the pods", lambda: not self.site.live("v1", "Pod"))


@pytest.fixture
def seven(node: Cluster, node_namespace: str, tmp_path: Path) -> Iterator[Cluster7]:
    with site_of(node, node_namespace, tmp_path) as site:
        yield Cluster7(site, node.images.python)


class Noticed(Heard):
    """Says when something was said."""

    def __init__(self) -> None:
        super().__init__()
        self.event = threading.Event()

    def says(self, text: str) -> None:
        super().says(text)
        self.event.set()


@pytest.mark.node
def test_what_a_job_prints_is_told_while_it_runs(seven: Cluster7) -> None:
    """It goes on only when its first line has been told: the test removes what it waits for."""
    watch = Noticed()
    known = seven.site.client.kinds().find("v1", "Pod")
    assert known is not None
    script = 'echo "$GREETING 0"; trap "echo told; exit 0" TERM; while true; do sleep 0.1; done'
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            seven.run("sh", "-c", script, watch=watch)
        except Failed as error:
            ended.append(error)
        else:
            ended.append(None)

    thread = threading.Thread(target=run)
    thread.start()
    assert watch.event.wait(60)
    assert watch.lines == ["seed: hello 0"]
    (pod,) = seven.site.live("v1", "Pod")
    seven.site.client.delete(known, seven.site.namespace, pod["metadata"]["name"])
    thread.join(60)
    assert watch.lines == ["seed: hello 0", "seed: told"]
    assert len(ended) == 1
    seven.clean()
    seven.leaves_nothing()


@pytest.mark.node
def test_a_job_that_ends_well_leaves_nothing(seven: Cluster7) -> None:
    seven.run("sh", "-c", "for i in 1 2 3; do echo line $i; done")
    assert seven.site.heard.lines == ["seed: line 1", "seed: line 2", "seed: line 3"]
    assert seven.record.facts == {"job": job_name(seven.set, task("true"))}
    seven.leaves_nothing()


@pytest.mark.node
@pytest.mark.row(80)
def test_a_job_that_fails_is_told_with_its_last_line(seven: Cluster7) -> None:
    with pytest.raises(Failed, match="seed ended with 3, its last line: ") as failed:
        seven.run("sh", "-c", r"echo first; printf 'no \033[31mseeds\n'; exit 3")
    assert failed.value.code == "kubernetes.task-failed"
    assert failed.value.cause.endswith("no \x1b[31mseeds")
    assert "\x1b" not in safe(failed.value.sentence())
    assert seven.site.heard.lines == ["seed: first", "seed: no \x1b[31mseeds"]
    seven.leaves_nothing()


@pytest.mark.node
def test_a_job_that_does_not_end_is_ended(seven: Cluster7) -> None:
    began = time.monotonic()
    with pytest.raises(StepTimeout, match="seed did not end within 4 s"):
        seven.run("sh", "-c", SERVES, timeout=4)
    assert time.monotonic() - began < 30
    seven.leaves_nothing()
    seven.clean()
    assert seven.site.live("v1", "Pod") == []


@pytest.mark.node
@pytest.mark.row(80)
def test_a_job_whose_image_is_not_there_fails_at_once(seven: Cluster7) -> None:
    registry = seven.at.images["web"].partition("/")[0]
    absent = f"{registry}/absent@sha256:{'0' * 64}"
    seven.at = KubernetesAt(namespace=seven.site.namespace, in_cluster=True, images={"web": absent})
    with pytest.raises(Failed, match=r"seed cannot run: its image cannot be pulled.*not found"):
        seven.run("true")
    seven.leaves_nothing()


@pytest.mark.node
@pytest.mark.row(80)
def test_a_job_that_a_quota_refuses_fails_at_once(seven: Cluster7) -> None:
    seven.site.limit(pods="0")
    with pytest.raises(Failed, match=r"seed cannot run: .*exceeded quota: small"):
        seven.run("true")
    seven.leaves_nothing()


@pytest.mark.node
def test_what_a_killed_release_left_is_found_and_ended(seven: Cluster7) -> None:
    """The Job is made as a release makes it, and nobody waits for it."""
    kind = seven.site.client.kinds().find("batch/v1", "Job")
    assert kind is not None
    left = job(task("sh", "-c", SERVES), seven.set, seven.at)
    seven.site.client.create(kind, seven.site.namespace, left)
    assert tasks.clean(seven.site.client, seven.site.namespace, "shop", "other", release=7) == 0
    assert tasks.clean(seven.site.client, seven.site.namespace, "shop", "preview/x", release=8) == 0
    wait("its pod", lambda: seven.site.live("v1", "Pod"))  # the controller makes it in its own time
    assert seven.clean() == 1
    assert seven.site.live("batch/v1", "Job") == []
    assert seven.site.live("v1", "Pod") == []
    assert seven.clean() == 0
    seven.site.client.create(kind, seven.site.namespace, left)
    seven.run("sh", "-c", "echo again")  # the same release, tried again
    assert seven.site.heard.lines == ["seed: again"]
