"""Everything that the server would refuse is named in one answer, in pre-receive, before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli import releases
from gitops_cli.pipeline.model import RefUpdate
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.targets.kubernetes.planned import Plan
from gitops_cli.targets.kubernetes.state import State
from tests.kubernetes.shop import config_map, deployment, service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.cluster.audit import Window
    from tests.cluster.given import Cluster
    from tests.kubernetes.shop import Shop

    Audit = Callable[..., AbstractContextManager[Window]]

pytestmark = pytest.mark.cluster
VERBS = ["get", "list", "watch", "create", "patch", "delete"]
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"


@pytest.fixture
def admission(control_plane: Cluster, namespace: str) -> Iterator[str]:
    """A policy of the cluster that refuses ConfigMaps with a key `forbidden`, in one namespace."""
    rules = [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["configmaps"],
        }
    ]
    policy: dict[str, Any] = {
        "metadata": {"name": namespace},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": rules},
            "validations": [
                {
                    "expression": "!has(object.data) || !('forbidden' in object.data)",
                    "message": "no such key in this house",
                }
            ],
        },
    }
    chosen = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {
        "metadata": {"name": namespace},
        "spec": {"policyName": namespace, "validationActions": ["Deny"], "matchResources": chosen},
    }
    control_plane.api.post(f"{POLICIES}ies", policy)
    control_plane.api.post(f"{POLICIES}ybindings", binding)
    yield namespace
    control_plane.api.delete(f"{POLICIES}ybindings/{namespace}")
    control_plane.api.delete(f"{POLICIES}ies/{namespace}")


def test_three_of_fifty_objects(shop: Shop, admission: str, audit: Audit) -> None:
    many = {f"deploy/c{number:02}.yaml": config_map(f"c{number:02}", a="1") for number in range(48)}
    first = many | {"deploy/web.yaml": deployment("web"), "deploy/service.yaml": service("web")}
    shop.site.release("First", first)
    shop.edit("configmaps", "c07", {"data": {"a": "theirs"}})
    shop.wait_until_refused("configmaps", {"metadata": {"name": "probe"}, "data": {"forbidden": "x"}})
    changed = {name: text.replace("a: '1'", "a: '2'") for name, text in many.items()}
    changed["deploy/c30.yaml"] = config_map("c30", a="2", forbidden="x")
    changed["deploy/web.yaml"] = deployment("web", label="other")
    before = shop.everything()
    with audit(shop.namespace) as seen:
        told = shop.site.refused(changed)
    assert "deploy/web.yaml:1: Deployment web: spec.selector cannot be changed" in told
    assert "-o expect-downtime" in told
    assert "deploy/c07.yaml:1: ConfigMap c07: data.a belongs to kubectl-edit" in told
    assert "deploy/c30.yaml:1: ConfigMap c30: " in told
    assert "no such key in this house" in told
    assert [request for request in seen.requests if request.writes] == []
    assert seen.count(verb="patch", dry_run=True) == 49
    assert shop.everything() == before


def test_an_immutable_field_alone_takes_the_object_anew(shop: Shop) -> None:
    frozen = config_map("frozen", a="1") + "immutable: true\n"
    shop.site.release("First", {"deploy/frozen.yaml": frozen})
    uid = shop.get("configmaps", "frozen")["metadata"]["uid"]
    told = shop.site.release("Second", {"deploy/frozen.yaml": frozen.replace("'1'", "'2'")})
    assert "! ConfigMap frozen (deleted and created again)" in told
    assert "data cannot be changed" in told
    found = shop.get("configmaps", "frozen")
    assert found["data"] == {"a": "2"}
    assert found["metadata"]["uid"] != uid


def test_a_deployment_anew_has_to_be_asked_for(shop: Shop) -> None:
    shop.site.release("First", {"deploy/web.yaml": deployment("web")})
    told = shop.site.refused({"deploy/web.yaml": deployment("web", label="other")})
    assert "spec.selector cannot be changed" in told
    assert shop.site.push("-o", "expect-downtime", "main").code == 0
    found = shop.get("deployments", "web", "/apis/apps/v1")
    assert found["spec"]["selector"]["matchLabels"] == {"app": "other"}


def test_an_immutable_field_of_an_invalid_object_deletes_nothing(shop: Shop, audit: Audit) -> None:
    shop.site.release("First", {"deploy/web.yaml": service("web")})
    before = shop.get("services", "web")
    bad = service("web", clusterIP="None", sessionAffinity="Sometimes")
    with audit(shop.namespace) as seen:
        told = shop.site.refused({"deploy/web.yaml": bad}, "-o", "expect-downtime", "main")
    assert "Sometimes" in told
    assert [request for request in seen.requests if request.writes] == []
    assert shop.get("services", "web") == before


def test_the_release_takes_the_plan_of_pre_receive(shop: Shop, audit: Audit) -> None:
    shop.site.release("First", {"deploy/a.yaml": config_map("a", x="1")})
    assert list((shop.state() / "plans").iterdir()) == []
    shop.site.commit("More", {"deploy/b.yaml": service("b")})
    with audit(shop.namespace) as seen:
        assert shop.site.push().code == 0
    assert seen.count(verb="list") == 2  # once, though pre-receive and the release both need a plan
    assert list((shop.state() / "plans").iterdir()) == []


def test_and_makes_its_own_when_the_world_has_moved_on(shop: Shop) -> None:
    shop.site.release("First", {"deploy/a.yaml": config_map("a", x="1")})
    commit = shop.site.commit("Second", {"deploy/a.yaml": config_map("a", x="2")})
    old = State(shop.state())
    stale = Plan(commit=commit, basis="another", digest="", total=1)
    old.save_plan(stale)
    shop.site.git("push", "-q", "gitops", "main:refs/heads/elsewhere")
    releases.receive(shop.site.home, [RefUpdate("refs/heads/main", shop.site.tip, commit)], (), SILENT)
    assert shop.get("configmaps", "a")["data"] == {"x": "2"}


@pytest.mark.row(84)
def test_a_missing_right_is_named_with_its_rule(
    shop: Shop, unprivileged: Callable[..., Any], audit: Audit
) -> None:
    verbs = ["get", "list", "watch", "create", "patch"]
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]
    shop.remote(kubeconfig=unprivileged(shop.namespace, rules))
    with audit(shop.namespace) as seen:
        told = shop.site.refused({"deploy/a.yaml": config_map("a", x="1")})
    assert f"the credential may not delete configmaps in {shop.namespace}; add to its Role: " in told
    assert "resources: [configmaps], verbs: [delete]" in told
    assert seen.count(verb="patch") == 0
    rules[0]["verbs"] = [*verbs, "delete"]
    shop.remote(kubeconfig=unprivileged(shop.namespace, rules))
    assert shop.site.push().code == 0
    assert shop.names() == ["a"]


@pytest.mark.row(84)
def test_a_role_that_was_narrowed_is_named_before_anything_is_written(
    shop: Shop, unprivileged: Callable[..., Any], audit: Audit
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": VERBS}]
    shop.remote(kubeconfig=unprivileged(shop.namespace, rules))
    shop.site.release(
        "First", {"deploy/a.yaml": config_map("a", x="1"), "deploy/b.yaml": config_map("b", x="1")}
    )
    shop.may([verb for verb in VERBS if verb != "patch"])
    with audit(shop.namespace) as seen:
        told = shop.site.refused({"deploy/a.yaml": config_map("a", x="2")})
    assert "ConfigMap a: the credential may not patch configmaps" in told
    assert "verbs: [patch]" in told
    assert [request.code for request in seen.requests if request.writes and request.code != 403] == []
    assert shop.get("configmaps", "a")["data"] == {"x": "1"}


@pytest.mark.row(84)
def test_what_may_not_be_removed_is_told_and_removed_later(
    shop: Shop, unprivileged: Callable[..., Any]
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": VERBS}]
    shop.remote(kubeconfig=unprivileged(shop.namespace, rules))
    shop.site.release(
        "First", {"deploy/a.yaml": config_map("a", x="1"), "deploy/b.yaml": config_map("b", x="1")}
    )
    shop.may([verb for verb in VERBS if verb != "delete"])
    shop.site.git("rm", "-q", "deploy/b.yaml")
    told = shop.site.release("Without")
    assert (
        "could not clean up: ConfigMap b could not be removed: the credential may not delete configmaps"
        in told
    )
    assert shop.names() == ["a", "b"]
    told = shop.site.release("Once more", {"deploy/a.yaml": config_map("a", x="2")})
    assert "could not clean up" in told
    shop.may(VERBS)
    assert shop.recover() == ["removed ConfigMap b"]
    assert shop.names() == ["a"]
    assert shop.is_settled()


def test_what_was_agreed_to_is_not_asked_about_again(shop: Shop, unprivileged: Callable[..., Any]) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": VERBS}]
    shop.remote("{prune: {count: 1}}", kubeconfig=unprivileged(shop.namespace, rules))
    shop.site.release("First", {f"deploy/{name}.yaml": config_map(name, x="1") for name in "abcd"})
    shop.may([verb for verb in VERBS if verb != "delete"])
    shop.site.git("rm", "-q", *(f"deploy/{name}.yaml" for name in "bcd"))
    shop.site.refused()
    pushed = shop.site.push("-o", "allow-prune=ConfigMap", "main")
    assert pushed.code == 0
    assert "could not clean up" in pushed.text
    shop.site.release("Once more", {"deploy/a.yaml": config_map("a", x="2")})
    shop.may(VERBS)
    assert sorted(shop.recover()) == [f"removed ConfigMap {name}" for name in "bcd"]
    assert shop.names() == ["a"]


def test_a_check_that_nothing_answers_undoes_the_release(shop: Shop) -> None:
    checks = "services: {web: {}}\nchecks:\n  page: {service: web, http: /, timeoutSeconds: 3}\n"
    text = (shop.site.folder / "gitops.yaml").read_text()
    told = shop.site.refused({"gitops.yaml": text + checks, "deploy/a.yaml": config_map("a", x="1")})
    assert "check page needs a Service with a port, and there is none" in told
    told = shop.site.refused({"deploy/web.yaml": service("web")})
    assert "check page: / answered nothing (no endpoints available for service" in told
    assert shop.everything() == {}
