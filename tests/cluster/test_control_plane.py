"""The control plane that tests share is a real one, and its fixtures do what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.api import Answer, Api
from tests.cluster.build import version

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.cluster.audit import Window
    from tests.cluster.fixtures import Unprivileged
    from tests.cluster.given import Cluster

pytestmark = pytest.mark.cluster
READ = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "value"}}


def refusal(user: Api, method: str, path: str) -> int:
    with pytest.raises(Answer) as refused:
        user.ask(method, path, config_map("mine") if method == "POST" else None)
    return refused.value.status


def test_it_is_kubernetes(control_plane: Cluster) -> None:
    assert control_plane.api.get("/version")["gitVersion"] == f"v{version()}"


def test_controllers_run(control_plane: Cluster, namespace: str) -> None:
    labels = {"app": "web"}
    container = {"name": "web", "image": "web"}
    control_plane.api.post(
        f"/apis/apps/v1/namespaces/{namespace}/deployments",
        {
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    )
    control_plane.kubectl("wait", "-n", namespace, "pod", "-l", "app=web", "--for=create", "--timeout=60s")
    pods = json.loads(control_plane.kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Pending"]


def test_a_namespace_can_have_a_security_level(
    control_plane: Cluster, make_namespace: Callable[..., str]
) -> None:
    namespace = make_namespace("restricted")
    with pytest.raises(Answer, match='violates PodSecurity "restricted') as refused:
        control_plane.api.post(
            f"/api/v1/namespaces/{namespace}/pods",
            {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "web"}]}},
        )
    assert refused.value.status == 403


def test_requests_are_counted(
    control_plane: Cluster, namespace: str, audit: Callable[..., AbstractContextManager[Window]]
) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    control_plane.api.post(maps, config_map("before"))
    with audit(namespace) as seen:
        control_plane.api.post(f"{maps}?dryRun=All", config_map("one"))
        for name in ("one", "two"):
            control_plane.api.post(maps, config_map(name))
        control_plane.kubectl("get", "configmaps", "-n", namespace)
        control_plane.api.get("/api/v1/namespaces/default/configmaps")  # not in the namespace
    control_plane.api.post(maps, config_map("after"))
    assert seen.table() == {
        ("create", "configmaps", "gitops-tests"): 3,
        ("list", "configmaps", "kubectl"): 1,
    }
    assert [request.name for request in seen.requests if request.writes] == ["one", "two"]
    assert seen.count(verb="create", dry_run=True, code=201) == 1
    assert seen.count(agent="kubectl/") == 1


def test_the_clusters_own_requests_are_told_apart(
    control_plane: Cluster,
    make_namespace: Callable[..., str],
    audit: Callable[..., AbstractContextManager[Window]],
) -> None:
    with audit(cluster=True) as everyone, audit() as seen:
        namespace = make_namespace()
    assert everyone.count(verb="create", resource="serviceaccounts", namespace=namespace) >= 1
    assert [request.verb for request in seen.where(resource="namespaces", name=namespace)] == ["create"]
    parts = {request.user for request in everyone.requests} - {request.user for request in seen.requests}
    assert "system:serviceaccount:kube-system:service-account-controller" in parts


def test_an_account_may_do_what_its_rules_say(
    control_plane: Cluster, namespace: str, unprivileged: Unprivileged
) -> None:
    user = Api(unprivileged(namespace, [READ]))
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    assert [item["metadata"]["name"] for item in user.get(maps)["items"]] == ["kube-root-ca.crt"]
    for elsewhere in ("/api/v1/namespaces/default/configmaps", "/api/v1/namespaces"):
        assert refusal(user, "GET", elsewhere) == 403
    assert refusal(user, "POST", maps) == 403
    wide = Api(unprivileged(namespace, [READ], [{**READ, "resources": ["namespaces"]}]))
    assert wide.get("/api/v1/namespaces")["items"]
