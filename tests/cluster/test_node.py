"""The node runs what tests need: our images, rollouts, Jobs, Services by name, PostgreSQL with a volume."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import urllib3

from tests.cluster import apps, images, starter
from tests.cluster.parts import gives, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.cluster.audit import Window
    from tests.cluster.given import Cluster

pytestmark = pytest.mark.node


def container(image: str, port: int = 8080, **environment: str) -> dict[str, Any]:
    return {
        "name": "main",
        "image": image,
        "ports": [{"containerPort": port}],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
    }


def workload(kind: str, main: dict[str, Any], **spec: Any) -> dict[str, Any]:
    labels = {"app": "main"}
    pod = {"containers": [main], "terminationGracePeriodSeconds": 5}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "main"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            **spec,
        },
    }


def service(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "main"},
        "spec": {"selector": {"app": "main"}, "ports": [{"port": port}]},
    }


class Space:
    """A namespace on the node's cluster, and kubectl in it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments, stdin=stdin)

    def apply(self, *objects: dict[str, Any]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(items))

    def ask(self, path: str) -> str:
        """Ask the application through its Service, from this machine; empty when nobody answers."""
        try:
            answer = urllib3.request("GET", f"http://{self.address()}:8080{path}", retries=False, timeout=10)
        except urllib3.exceptions.HTTPError:
            return ""
        return answer.data.decode().strip()

    def address(self) -> str:
        return self.kubectl("get", "service", "main", "-o", "jsonpath={.spec.clusterIP}")


def connected(url: str) -> psycopg.Connection[Any]:
    """Connect to a database through its Service: its pod is ready some moments before the node knows the way."""
    return gives("the database", lambda: psycopg.connect(url, connect_timeout=30), psycopg.OperationalError)


@pytest.fixture
def space(node: Cluster, node_namespace: str) -> Space:
    return Space(node, node_namespace)


def test_a_deployment_answers_through_its_service_and_rolls_out(space: Space) -> None:
    probe = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}}
    for text in ("one", "two"):
        main = container(space.cluster.images.web, TEXT=text) | probe
        space.apply(workload("Deployment", main, replicas=2), service(8080))
        space.kubectl("rollout", "status", "deployment/main", "--timeout=90s")
    wait("the new version", lambda: space.ask("/") == "two")


def test_a_job_finds_a_service_by_name(space: Space) -> None:
    space.apply(workload("Deployment", container(space.cluster.images.web, TEXT="found")), service(8080))
    space.kubectl("rollout", "status", "deployment/main", "--timeout=90s")
    wait("the way to it", lambda: space.ask("/") == "found")
    ask = "from urllib.request import urlopen; print(urlopen('http://main:8080/').read().decode())"
    job = container(space.cluster.images.python) | {"args": ["-c", ask]}
    pod = {"containers": [job], "restartPolicy": "Never"}
    metadata = {"name": "ask"}
    space.apply(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": {"spec": pod}}}
    )
    space.kubectl("wait", "job/ask", "--for=condition=Complete", "--timeout=90s")
    assert space.kubectl("logs", "job/ask").strip() == "found"


def test_an_application_fails_as_it_is_told(space: Space) -> None:
    space.apply(workload("Deployment", container(space.cluster.images.web, EXIT="3", LINES="2")))
    space.kubectl("wait", "pods", "-l", "app=main", "--for=create", "--timeout=90s")
    pod = space.kubectl("get", "pods", "-l", "app=main", "-o", "name").strip()
    code = "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=3"
    space.kubectl("wait", pod, f"--for={code}", "--timeout=90s")
    # The kubelet keeps the last container only: asked in the moment of the next exit it has no log.
    wait("its log", lambda: space.kubectl("logs", "--previous", pod) == "line 1\nline 2\n")


def test_an_image_that_is_not_there_is_not_pulled(space: Space) -> None:
    absent = space.cluster.images.web[:-64] + "0" * 64
    space.apply(workload("Deployment", container(absent)))
    waits = "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImagePull"
    space.kubectl("wait", "pods", "-l", "app=main", "--for=create", "--timeout=90s")
    space.kubectl("wait", "pods", "-l", "app=main", f"--for={waits}", "--timeout=90s")


def test_postgresql_keeps_its_data_when_its_pod_goes(
    space: Space, volume: Callable[[str], dict[str, Any]]
) -> None:
    main = container(space.cluster.images.postgres, 5432, POSTGRES_PASSWORD="secret") | {
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1},
    }
    claim = {"metadata": {"name": "data"}, "spec": volume("1Gi")}
    space.apply(
        workload("StatefulSet", main, serviceName="main", volumeClaimTemplates=[claim]), service(5432)
    )
    space.kubectl("rollout", "status", "statefulset/main", "--timeout=90s")
    url = f"postgresql://postgres:secret@{space.address()}/postgres"
    with connected(url) as connection:
        connection.execute("create table kept as select 42 as number")
    space.kubectl("delete", "pod", "main-0")
    space.kubectl("wait", "pod/main-0", "--for=create", "--timeout=90s")
    space.kubectl("wait", "pod/main-0", "--for=condition=Ready", "--timeout=90s")
    with connected(url) as connection:
        assert connection.execute("select number from kept").fetchone() == (42,)


def test_an_application_reaches_its_database(space: Space) -> None:
    database = container(space.cluster.images.postgres, 5432, POSTGRES_PASSWORD="secret") | {
        "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1}
    }
    url = "postgresql://postgres:secret@127.0.0.1/postgres"
    both = workload("Deployment", database)
    web = container(space.cluster.images.web, DATABASE_URL=url, QUERY="select 6 * 7") | {"name": "web"}
    both["spec"]["template"]["spec"]["containers"].append(web)
    space.apply(both, service(8080))
    space.kubectl("rollout", "status", "deployment/main", "--timeout=90s")
    wait("the database's answer", lambda: space.ask("/database") == "42")


def test_the_nodes_requests_are_the_clusters_own(
    space: Space, node_audit: Callable[..., AbstractContextManager[Window]]
) -> None:
    with node_audit(space.name) as seen, node_audit(space.name, cluster=True) as everyone:
        space.apply(workload("Deployment", container(space.cluster.images.web)))
        space.kubectl("rollout", "status", "deployment/main", "--timeout=90s")
    assert everyone.count(user="part:kubelet") > 0
    assert {request.agent.split("/")[0] for request in seen.requests} == {"kubectl"}


def test_images_can_be_given_without_a_registry(space: Space, tmp_path: Path) -> None:
    folder = space.cluster.folder
    assert folder is not None
    images.archive(apps.web(), "docker.io/library/given:1", tmp_path / "given.tar")
    starter.load(folder, [tmp_path / "given.tar"])
    main = container("docker.io/library/given:1") | {"imagePullPolicy": "Never"}
    space.apply(workload("Deployment", main))
    space.kubectl("rollout", "status", "deployment/main", "--timeout=90s")
