"""A push to a cluster: what is sent, what is not, and what is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from gitops_cli.errors import GitopsError
from tests.cluster.api import Answer
from tests.cluster.parts import wait
from tests.kubernetes.shop import config_map, service

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.cluster.audit import Window
    from tests.kubernetes.shop import Shop

    Audit = Callable[..., AbstractContextManager[Window]]

pytestmark = pytest.mark.cluster
CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  volumeName: {volume}
  resources: {{requests: {{storage: 1Gi}}}}
"""
TWO = {"deploy/settings.yaml": config_map("settings", colour="red"), "deploy/web.yaml": service("web")}


def test_second_push_that_changes_one_line_is_one_patch(shop: Shop, audit: Audit) -> None:
    told = shop.site.release("First", TWO)
    assert "plan: 2 created" in told
    assert "+ ConfigMap settings" in told
    assert shop.names() == ["settings"]
    assert shop.live_commit() == shop.site.tip
    with audit(shop.namespace) as seen:
        told = shop.site.release("Second", {"deploy/settings.yaml": config_map("settings", colour="blue")})
    assert 'data.colour: "red" -> "blue"' in told
    assert "1 changed, 1 unchanged" in told
    assert [request.name for request in seen.requests if request.writes] == ["settings"]
    assert seen.count(verb="patch", dry_run=True) == 1
    assert seen.count(verb="list") == 2
    assert len(seen.requests) == 4
    assert shop.get("configmaps", "settings")["data"] == {"colour": "blue"}


def test_a_push_that_touches_no_manifest_sends_nothing(shop: Shop, audit: Audit) -> None:
    shop.site.release("First", TWO)
    with audit(shop.namespace) as seen:
        told = shop.site.release("Second", {"README": "hello\n"})
    assert "plan: 2 unchanged" in told
    assert [request.verb for request in seen.requests] == ["list", "list"]
    with audit(shop.namespace) as seen:
        shop.site.release("Third")
    assert [request.verb for request in seen.requests] == ["list", "list"]  # the same tree: is it all there?


@pytest.mark.row(19, 82)
def test_a_push_of_the_same_tree_puts_back_what_was_changed_by_hand(shop: Shop) -> None:
    shop.site.release("First", TWO)
    shop.edit("configmaps", "settings", {"data": {"colour": "by hand"}})
    assert "drift: ConfigMap settings: data.colour" in shop.site.release("Again")
    assert shop.get("configmaps", "settings")["data"] == {"colour": "red"}


def test_what_is_left_out_goes_after_publishing(shop: Shop) -> None:
    shop.site.release("First", TWO | {"deploy/more.yaml": config_map("more", a="b")})
    shop.cluster.api.post(shop.path("configmaps"), {"metadata": {"name": "other"}})
    shop.site.git("rm", "-q", "deploy/more.yaml")
    told = shop.site.release("Without")
    assert "- ConfigMap more" in told
    assert shop.names() == ["settings"]
    assert shop.get("configmaps", "other")["metadata"]["name"] == "other"
    assert [path.name for path in (shop.state() / "sets").iterdir()] == [f"{shop.live_set().key}.json.gz"]


def test_what_was_relabelled_by_hand_is_not_removed(shop: Shop) -> None:
    shop.site.release("First", TWO | {"deploy/more.yaml": config_map("more", a="b")})
    shop.edit("configmaps", "more", {"metadata": {"labels": {"gitops-cli/app": "mine-now"}}})
    shop.site.git("rm", "-q", "deploy/more.yaml")
    shop.site.release("Without")
    assert shop.get("configmaps", "more")["data"] == {"a": "b"}


def test_invalid_service_is_refused_and_the_live_one_untouched(shop: Shop, audit: Audit) -> None:
    shop.site.release("First", TWO)
    before = shop.get("services", "web")
    with audit(shop.namespace) as seen:
        told = shop.site.refused({"deploy/web.yaml": service("web", 70000 - 65536, type="Nonsense")})
    assert "deploy/web.yaml:1: Service web:" in told
    assert "Nonsense" in told
    assert [request for request in seen.requests if request.writes] == []
    assert shop.get("services", "web") == before


def test_what_is_there_and_not_ours_is_refused_by_name(shop: Shop) -> None:
    shop.cluster.api.post(
        shop.path("configmaps"), {"metadata": {"name": "settings"}, "data": {"colour": "x"}}
    )
    before = shop.get("configmaps", "settings")
    told = shop.site.refused(TWO)
    assert "ConfigMap settings" in told
    assert shop.get("configmaps", "settings") == before


def test_also_where_no_field_would_conflict(shop: Shop) -> None:
    shop.cluster.api.post(shop.path("configmaps"), {"metadata": {"name": "settings"}})
    told = shop.site.refused(TWO)
    assert "ConfigMap settings: it exists already, and it is not of this app" in told


@pytest.mark.row(81)
def test_a_field_of_somebody_else_is_named_and_not_forced(shop: Shop) -> None:
    shop.site.release("First", TWO)
    shop.edit("configmaps", "settings", {"data": {"colour": "green"}})
    told = shop.site.refused({"deploy/settings.yaml": config_map("settings", colour="blue")})
    assert "ConfigMap settings: data.colour belongs to kubectl-edit" in told
    assert shop.get("configmaps", "settings")["data"] == {"colour": "green"}
    shop.remote('{force: ["ConfigMap/data.colour"]}')
    assert shop.site.push().code == 0
    assert shop.get("configmaps", "settings")["data"] == {"colour": "blue"}


def test_a_drifted_object_is_sent_again(shop: Shop, audit: Audit) -> None:
    shop.site.release("First", TWO)
    shop.edit("configmaps", "settings", {"data": {"colour": None, "mine": "kept"}})
    shop.cluster.api.delete(shop.path("services", "web"))
    with audit(shop.namespace) as seen:
        told = shop.site.release("Second", {"README": "hello\n"})
    assert 'data: {"colour":"red"} (added)' in told
    assert "+ Service web" in told
    assert [request.name for request in seen.requests if request.writes] == ["settings", "web"]
    assert shop.get("configmaps", "settings")["data"] == {"colour": "red", "mine": "kept"}


def test_lost_memory_costs_dry_runs_and_nothing_else(shop: Shop, audit: Audit) -> None:
    shop.site.release("First", TWO)
    for name in ("inventory.json", "ledger.json"):
        (shop.state() / name).unlink()
    before = shop.everything()
    with audit(shop.namespace) as seen:
        shop.site.release("Second", {"README": "hello\n"})
    assert [request for request in seen.requests if request.writes] == []
    assert shop.everything() == before
    with audit(shop.namespace) as seen:
        shop.site.release("Third", {"README": "hello again\n"})
    assert [request.verb for request in seen.requests] == ["list", "list"]


def test_a_definition_and_an_object_of_it_come_in_one_push(shop: Shop) -> None:
    shop.remote(f'{{clusterScoped: [CustomResourceDefinition], kinds: ["{shop.group}/v1/Gadget"]}}')
    told = shop.site.release("First", TWO | shop.gadget(size=1))
    assert "+ Gadget one (not asked of the server: it waits for CustomResourceDefinition" in told
    assert shop.names("gadgets", f"/apis/{shop.group}/v1") == ["one"]
    told = shop.site.release("Second", shop.gadget(size=2))
    assert "spec.size: 1 -> 2" in told
    shop.site.git("rm", "-q", "deploy/definition.yaml", "deploy/gadget.yaml")
    told = shop.site.refused()
    assert f"CustomResourceDefinition gadgets.{shop.group} is no longer in the manifests" in told
    assert "-o allow-prune=CustomResourceDefinition" in told
    assert shop.site.push("-o", "allow-prune=CustomResourceDefinition", "main").code == 0
    definition = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.{shop.group}"
    # the server itself looks first for what is left of the kind
    wait("its end", lambda: is_missing(shop, definition))


def is_missing(shop: Shop, path: str) -> bool:
    try:
        shop.cluster.api.get(path)
    except Answer as answer:
        return answer.status == 404
    return False


def test_an_unknown_kind_is_refused(shop: Shop) -> None:
    shop.remote(f'{{kinds: ["{shop.group}/v1/Gadget"]}}')
    gadget = shop.gadget(size=1)
    del gadget["deploy/definition.yaml"]
    assert f"the cluster has no kind Gadget in {shop.group}/v1" in shop.site.refused(TWO | gadget)


def test_too_many_removals_need_to_be_asked_for(shop: Shop) -> None:
    shop.remote("{prune: {count: 2, share: 0.5}}")
    many = "---\n".join(config_map(f"c{number}", a="b") for number in range(6))
    shop.site.release("First", {"deploy/many.yaml": many})
    told = shop.site.refused({"deploy/many.yaml": config_map("c0", a="b")})
    assert "5 of 6 objects would be removed: ConfigMap c1, ConfigMap c2" in told
    assert "-o allow-prune=ConfigMap" in told
    assert shop.site.push("-o", "allow-prune=configmap", "main").code == 0
    assert shop.names() == ["c0"]


def test_claims_are_not_removed_unasked(shop: Shop) -> None:
    shop.cluster.api.post("/api/v1/persistentvolumes", shop.volume())
    shop.site.release("First", TWO | {"deploy/claim.yaml": CLAIM.format(volume=shop.namespace)})
    shop.site.git("rm", "-q", "deploy/claim.yaml")
    told = shop.site.refused()
    assert "PersistentVolumeClaim data is no longer in the manifests" in told
    assert shop.names("persistentvolumeclaims") == ["data"]


def test_a_missing_kubeconfig_is_named_before_the_first_release_too(shop: Shop) -> None:
    shop.remote(kubeconfig=shop.site.home.path / "gone")
    with pytest.raises(GitopsError, match="gone"):
        releases.status(shop.site.home, ask=True)


@pytest.mark.row(84)
def test_a_missing_namespace_is_named(shop: Shop) -> None:
    shop.remote(kubeconfig=shop.cluster.kubeconfig)  # the account goes with it, sooner or later
    shop.cluster.api.delete(f"/api/v1/namespaces/{shop.namespace}")
    told = shop.site.refused(TWO)
    assert f"the namespace {shop.namespace} is being deleted" in told or "is missing" in told
