"""What `gitops remote rbac` prints: enough for every test of a push here, and nothing that none of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gitops_cli import releases
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.config.project import Project
from gitops_cli.config.remote import KubernetesAt, Policy
from gitops_cli.pipeline.model import RefUpdate
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.steps.granting import rbac
from gitops_cli.steps.surroundings import surroundings
from gitops_cli.targets.kubernetes.rbac import kind_named, manifests
from tests.cluster.api import Api
from tests.kubernetes import least
from tests.kubernetes.shop import config_map, deployment, service

if TYPE_CHECKING:
    from tests.kubernetes.shop import Shop

MAIN = "refs/heads/main"
ROOT = "/apis/authorization.k8s.io/v1"


def rules(documents: list[Any], kind: str) -> list[dict[str, list[str]]]:
    return [rule for document in documents if document["kind"] == kind for rule in document["rules"]]


def resources(documents: list[Any], kind: str) -> set[str]:
    return {resource for rule in rules(documents, kind) for resource in rule["resources"]}


@pytest.mark.cluster
def test_before_the_first_push_it_is_what_any_project_may_bring(shop: Shop) -> None:
    documents = least.printed(shop.site.home)
    assert [document["kind"] for document in documents] == ["ServiceAccount", "Role", "RoleBinding"]
    assert {document["metadata"]["namespace"] for document in documents} == {shop.namespace}
    assert {"deployments", "jobs", "configmaps", "pods/log", "services/proxy"} <= resources(documents, "Role")
    assert "secrets" not in resources(documents, "Role")
    assert "*" not in yaml.safe_dump_all(documents)
    assert all(rule["apiGroups"] and rule["verbs"] for rule in rules(documents, "Role"))


@pytest.mark.cluster
def test_after_it_it_is_what_that_commit_needs(shop: Shop) -> None:
    files = {"deploy/a.yaml": config_map("a", x="1"), "deploy/web.yaml": deployment("web")}
    shop.site.release("First", files)
    around = surroundings(shop.site.home)
    text = rbac(around, around.environment("production"))
    found = list(yaml.safe_load_all(text))
    assert resources(found, "Role") == {
        *("configmaps", "deployments"),  # what it brings
        *("events", "pods", "pods/log", "replicasets"),  # what its rollout is judged by
    }
    assert resources(least.printed(shop.site.home), "Role") > resources(found, "Role")  # with `--any`
    seen = {name: rule["verbs"] for rule in rules(found, "Role") for name in rule["resources"]}
    assert seen["pods/log"] == ["get"]
    assert "patch" not in seen["pods"] + seen["replicasets"] + seen["events"]


def test_only_what_an_operator_lists_is_of_the_whole_cluster() -> None:
    at = KubernetesAt(namespace="shop", kubeconfig="file:kubeconfig")
    kinds = {kind_named("", "ConfigMap", namespaced=True)}

    def printed(*names: Any) -> list[Any]:
        policy = Policy(cluster_scoped=names)
        return list(yaml.safe_load_all(manifests("preview/x", at, policy, kinds, Project(name="any"))))

    definitions = printed("CustomResourceDefinition")
    assert resources(definitions, "ClusterRole") == {"customresourcedefinitions"}
    assert "configmaps" in resources(definitions, "Role")
    assert {d["metadata"]["name"] for d in definitions} == {"gitops-preview.x", "gitops-preview.x-shop"}
    # Nobody can be given a Role in a namespace that the push is to bring.
    namespaces = printed("Namespace")
    assert [d["kind"] for d in namespaces] == [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
    ]
    assert {"configmaps", "namespaces"} <= resources(namespaces, "ClusterRole")
    assert "secrets" not in resources(namespaces, "ClusterRole")


def pushed(shop: Shop, files: dict[str, str], *without: tuple[str, str]) -> str:
    """Push as the hooks do, and take rights away after pre-receive has let it pass; give the reason."""
    commit = shop.site.commit("Second", files)
    shop.site.git("push", "-q", "gitops", "main:refs/heads/elsewhere")
    updates = [RefUpdate(MAIN, shop.site.tip, commit)]
    with Repo(shop.site.home.repo) as repo:
        releases.validate_push(shop.site.home, repo, updates, (), SILENT)
    least.take_away(shop.cluster.kubeconfig, shop.site.home, *without)
    return releases.receive(shop.site.home, updates, (), SILENT)[MAIN]


OLD = {"deploy/a.yaml": config_map("a", x="1"), "deploy/web.yaml": service("web")}


@pytest.mark.cluster
@pytest.mark.row(84)
def test_a_role_that_is_narrowed_midway_is_named_and_the_rest_put_back(shop: Shop) -> None:
    shop.site.release("First", OLD)
    before, tip = shop.everything(), shop.site.tip
    new = {"deploy/a.yaml": config_map("a", x="2"), "deploy/web.yaml": service("web", 81)}
    told = pushed(shop, new, ("services", "patch"))
    assert f"the credential may not patch services in {shop.namespace}; add to its Role: " in told
    assert '{apiGroups: [""], resources: [services], verbs: [patch]}' in told
    assert (shop.everything(), shop.site.tip) == (before, tip)
    assert shop.is_settled()


@pytest.mark.cluster
@pytest.mark.row(79, 84)
def test_one_that_does_not_let_us_undo_is_stuck_until_it_does(shop: Shop) -> None:
    shop.site.release("First", OLD)
    before, tip = shop.everything(), shop.site.tip
    new = {"deploy/b.yaml": config_map("b", x="2"), "deploy/web.yaml": service("web", 81)}
    told = pushed(shop, new, ("services", "patch"), ("configmaps", "delete"))
    assert f"the credential may not delete configmaps in {shop.namespace}; add to its Role: " in told
    assert shop.names() == ["a", "b"]
    shop.remote()  # it is granted again
    assert any("undone" in line for line in shop.recover())
    assert (shop.everything(), shop.site.tip) == (before, tip)
    assert shop.is_settled()


@pytest.mark.cluster
def test_the_account_may_not_read_secrets(shop: Shop) -> None:
    user = Api(shop.credential)
    for verb in ("get", "list", "watch"):
        asked = {"group": "", "resource": "secrets", "verb": verb, "namespace": shop.namespace}
        review = user.post(f"{ROOT}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": asked}})
        assert not review["status"]["allowed"]
