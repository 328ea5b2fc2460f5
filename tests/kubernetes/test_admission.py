"""What we say of a pod before any request is what the API server's own admission says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.config.load import load_manifests, load_project
from gitops_cli.config.pod_security import violations
from gitops_cli.config.pods import pods
from gitops_cli.config.remote import KubernetesAt, Policy
from gitops_cli.scaffold.init import init
from gitops_cli.targets.kubernetes.rendering import render
from gitops_cli.targets.protocol import AppSet
from tests.cluster.api import Answer
from tests.config.test_pod_security import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.given import Cluster

pytestmark = pytest.mark.cluster
IMAGE = "registry.example/web@sha256:" + "a" * 64


def verdict(cluster: Cluster, namespace: str, pod: dict[str, Any]) -> str:
    """Say what becomes of a pod: `admitted`, `refused` by the standard, or `invalid`, which is found before."""
    named = pod | {"metadata": pod["metadata"] | {"name": "a"}}
    try:
        cluster.api.post(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", named)
    except Answer as answer:
        if answer.status == 422:
            return "invalid"
        return "refused" if "violates PodSecurity" in str(answer) else str(answer)
    return "admitted"


def test_the_server_agrees_with_every_example(
    control_plane: Cluster, make_namespace: Callable[..., str]
) -> None:
    namespace = make_namespace("restricted")
    theirs = {each["name"]: verdict(control_plane, namespace, each["pod"]) for each in EXAMPLES}
    ours = {
        each["name"]: "refused" if any(list(violations(one)) for one in pods(each["pod"])) else "admitted"
        for each in EXAMPLES
    }
    invalid = {name for name, said in theirs.items() if said == "invalid"}
    assert {name: said for name, said in ours.items() if name not in invalid} == {
        name: said for name, said in theirs.items() if name not in invalid
    }
    assert not any("/pass/" in name for name in invalid)
    assert len(invalid) < 10


def test_what_init_writes_is_admitted_where_the_restricted_standard_is_enforced(
    control_plane: Cluster, make_namespace: Callable[..., str], tmp_path: Path
) -> None:
    init(tmp_path / "shop", no_remote=True)
    tree = Checkout.need(tmp_path / "shop").tree()
    project = load_project(tree)
    namespace = make_namespace("restricted")
    wanted = AppSet(
        environment="production",
        release=1,
        commit="",
        tree="",
        project=project,
        manifests=load_manifests(tree, project),
    )
    rendered = render(wanted, KubernetesAt(namespace=namespace, images={"web": IMAGE}), Policy())
    assert [found.key.kind for found in rendered] == ["Deployment", "Service"]
    places = {"Deployment": "/apis/apps/v1", "Service": "/api/v1"}
    for found in rendered:
        path = f"{places[found.key.kind]}/namespaces/{namespace}/{found.key.kind.lower()}s/{found.key.name}"
        query = "?fieldManager=gitops&fieldValidation=Strict&dryRun=All"
        answer = control_plane.api.ask("PATCH", path + query, found.body, "application/apply-patch+yaml")
        assert answer["metadata"]["annotations"]["gitops-cli/hash"] == found.hash
        for one in pods(found.body):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": one.spec}
            assert verdict(control_plane, namespace, pod) == "admitted"
