"""What tests of rollouts and jobs need: a client, a watcher that remembers, workloads that do what a test says."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.kubernetes.access import Where, access_of
from gitops_cli.adapters.kubernetes.client import Client
from gitops_cli.adapters.kubernetes.objects import Key
from gitops_cli.config.confinement import KINDS
from gitops_cli.pipeline.protocol import Silent
from gitops_cli.targets.kubernetes import rendering, unprobed
from gitops_cli.targets.kubernetes.rollout import wait
from tests.cluster import parts
from tests.kubernetes import least

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitops_cli.targets.kubernetes.rendering import Rendered
    from tests.cluster.given import Cluster

NO_IMAGE = "registry.invalid/absent@sha256:" + "0" * 64


class Heard(Silent):
    """Remembers what was said, and when."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.times: list[float] = []

    def says(self, text: str) -> None:
        self.lines.append(text)
        self.times.append(time.monotonic())


class Noted:
    """A record that nobody keeps."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}

    def note(self, **facts: Any) -> None:
        self.facts |= facts

    def of(self, step: str) -> dict[str, Any]:
        return {}


@contextmanager
def client_of(kubeconfig: Path, state: Path) -> Iterator[Client]:
    state.mkdir(exist_ok=True)
    client = Client(access_of(Where(kubeconfig=kubeconfig), state), state=state)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def site_of(cluster: Cluster, namespace: str, folder: Path) -> Iterator[Site]:
    """Give a namespace to roll out in, with an account that may do what `gitops remote rbac` prints."""
    account = least.account(cluster.kubeconfig, folder, namespace)
    with (
        client_of(account, folder / "state") as client,
        client_of(cluster.kubeconfig, folder / "admin") as admin,
    ):
        yield Site(client, admin, namespace)


class Site:
    """A namespace to roll out in."""

    def __init__(self, client: Client, admin: Client, namespace: str) -> None:
        self.client = client
        self.admin = admin
        """Of who may do everything: looks on, and brings what no project may."""
        self.namespace = namespace
        self.heard = Heard()

    def apply(self, *bodies: dict[str, Any]) -> list[Rendered]:
        found = []
        for body in bodies:
            kind = self.client.kinds().find(body["apiVersion"], body["kind"])
            assert kind is not None
            body["metadata"].setdefault("namespace", self.namespace)
            key = Key(kind.group, kind.kind, self.namespace, body["metadata"]["name"])
            unprobed.hold(body)
            body["metadata"]["labels"] = rendering.labels("shop", "production")
            rendered = rendering.sealed(key, body)
            who = self.client if (kind.group, kind.kind) in KINDS else self.admin
            who.apply(kind, self.namespace, rendered.body)
            found.append(rendered)
        return found

    def wait(self, *objects: Rendered, timeout: float = 90, unschedulable: float = 60) -> str:
        return wait(
            self.client,
            self.namespace,
            objects,
            timeout=timeout,
            unschedulable=unschedulable,
            watch=self.heard,
        )

    def limit(self, **hard: str) -> None:
        """Apply a quota; returns when the server has counted: until then it refuses everything."""
        self.apply(quota(**hard))
        parts.wait("the quota", lambda: "used" in self.live("v1", "ResourceQuota")[0].get("status", {}))

    def live(self, api_version: str, kind: str) -> list[dict[str, Any]]:
        known = self.client.kinds().find(api_version, kind)
        assert known is not None
        return self.admin.list_full(known, self.namespace)[0]


def container(image: str, script: str, **more: Any) -> dict[str, Any]:
    """One that ends as soon as it is asked to."""
    return {"name": "web", "image": image, "command": ["sh", "-c", script], **more}


SERVES = "trap 'exit 0' TERM; echo serving; while true; do sleep 0.2; done"


def workload(
    kind: str, spec: dict[str, Any], *, name: str = "web", replicas: int | None = 1, **pod: Any
) -> dict[str, Any]:
    """A Deployment, StatefulSet or DaemonSet of one container."""
    counted = {} if kind == "DaemonSet" or replicas is None else {"replicas": replicas}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            **counted,
            **({"serviceName": name} if kind == "StatefulSet" else {}),
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [spec], "terminationGracePeriodSeconds": 2, **pod},
            },
        },
    }


def job(spec: dict[str, Any], *, name: str = "once", retries: int = 0) -> dict[str, Any]:
    pod = {"containers": [spec], "restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": retries, "template": {"spec": pod}},
    }


def quota(**hard: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": hard},
    }
