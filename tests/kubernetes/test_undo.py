"""A release that fails on its way: what it changed is what it was, what it created is gone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path  # noqa: TC003 - pytest reads the annotation
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.errors import Stuck
from tests.cluster.api import Answer
from tests.cluster.parts import wait
from tests.kubernetes.gate import Gate
from tests.kubernetes.shop import config_map, deployment, service

if TYPE_CHECKING:
    from tests.kubernetes.shop import Shop

pytestmark = pytest.mark.cluster
FIRST = {
    "deploy/a.yaml": config_map("a", x="1"),
    "deploy/frozen.yaml": config_map("frozen", x="1") + "immutable: true\n",
    "deploy/kept.yaml": config_map("kept", x="1"),
    "deploy/service.yaml": service("web"),
}
SECOND = {
    "deploy/a.yaml": config_map("a", x="2", y="new"),
    "deploy/b.yaml": config_map("b", x="1"),
    "deploy/frozen.yaml": config_map("frozen", x="2") + "immutable: true\n",
    "deploy/service.yaml": service("web", 81, sessionAffinity="ClientIP"),
}
DATABASE = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: db
          image: registry.example.org/db@sha256:DIGEST
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: none-such}
""".replace("DIGEST", "0" * 64)
NEVER_READY = {"deploy/web.yaml": deployment("web", replicas=1)}


def test_a_rollout_that_fails_puts_everything_back(shop: Shop) -> None:
    shop.site.release("First", FIRST)
    before = shop.everything()
    told = shop.site.refused(SECOND | NEVER_READY)
    assert "production is as it was before" in told
    assert shop.everything() == before
    shop.site.git("revert", "--no-edit", "HEAD")
    shop.site.release("Without", SECOND)
    assert shop.get("configmaps", "a")["data"] == {"x": "2", "y": "new"}


def test_a_first_release_that_fails_leaves_nothing(shop: Shop) -> None:
    shop.site.refused(FIRST | NEVER_READY)
    assert shop.everything() == {}
    assert shop.state_files() <= {
        "access.json",
        "discovery.json",
        "inventory.json",
        "ledger.json",
        "rights.json",
    }


@pytest.mark.row(78)
def test_the_second_of_five_objects_is_refused(shop: Shop) -> None:
    shop.site.release("First", {"deploy/a.yaml": config_map("a", x="1")})
    before = shop.everything()
    raw = shop.get("configmaps", "a")
    hard = {"hard": {"count/configmaps": "4"}}  # a, kube-root-ca.crt and two more
    shop.cluster.api.post(shop.path("resourcequotas"), {"metadata": {"name": "few"}, "spec": hard})
    quota = shop.path("resourcequotas", "few")
    wait(
        "the quota",
        lambda: shop.cluster.api.get(quota).get("status", {}).get("used", {}).get("count/configmaps") == "2",
    )
    five = {f"deploy/n{number}.yaml": config_map(f"n{number}", x="1") for number in range(4)}
    told = shop.site.refused(five | {"deploy/a.yaml": config_map("a", x="2")})
    assert "plan: 4 created, 1 changed" in told  # no dry run can see a sum
    assert "exceeded quota: few" in told
    assert shop.everything() == before
    for field in ("uid", "creationTimestamp", "labels", "annotations"):
        assert shop.get("configmaps", "a")["metadata"][field] == raw["metadata"][field]


def test_a_namespace_that_a_failed_release_created_is_gone_again(shop: Shop) -> None:
    name = shop.elsewhere("{clusterScoped: [Namespace]}")
    namespace = {"deploy/namespace.yaml": f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"}
    told = shop.site.refused(
        namespace
        | {"deploy/a.yaml": config_map("a", x="1"), "deploy/bad.yaml": service("bad", type="Nonsense")}
    )
    assert f"(not asked of the server: it waits for Namespace {name})" in told
    assert "Nonsense" in told
    with pytest.raises(Answer, match="404"):
        shop.cluster.api.get(f"/api/v1/namespaces/{name}")
    shop.site.git("rm", "-q", "deploy/bad.yaml")
    shop.site.release("Without")
    assert shop.cluster.api.get(f"/api/v1/namespaces/{name}/configmaps/a")["data"] == {"x": "1"}
    shop.cluster.api.delete(f"/api/v1/namespaces/{name}")


def test_a_definition_that_a_failed_release_created_is_gone_again(shop: Shop) -> None:
    shop.remote(f'{{clusterScoped: [CustomResourceDefinition], kinds: ["{shop.group}/v1/Gadget"]}}')
    shop.site.refused(shop.gadget(size=1) | NEVER_READY)
    with pytest.raises(Answer, match="404"):
        shop.cluster.api.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.{shop.group}")


def test_what_a_person_had_changed_is_left_as_it_was(shop: Shop) -> None:
    shop.site.release("First", {"deploy/a.yaml": config_map("a", x="1", y="1")})
    shop.edit("configmaps", "a", {"data": {"y": "by hand"}})
    before = shop.everything()
    shop.site.refused({"deploy/a.yaml": config_map("a", x="2")} | NEVER_READY)
    assert shop.everything() == before
    assert shop.get("configmaps", "a")["data"] == {"x": "1", "y": "by hand"}
    assert any('data.y: "1" -> "by hand" by kubectl-edit' in line for line in shop.recover())
    assert shop.get("configmaps", "a")["data"] == {"x": "1", "y": "1"}


def test_what_policy_lets_a_push_take_from_others_is_given_back(shop: Shop) -> None:
    shop.site.release("First", {"deploy/a.yaml": config_map("a", x="1"), "deploy/b.yaml": service("b")})
    shop.edit("configmaps", "a", {"data": {"theirs": "green", "more": "kept"}})
    their_part = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "b", "labels": {"theirs": "too"}},
        "spec": {"sessionAffinity": "ClientIP"},
    }
    path = f"{shop.path('services', 'b')}?fieldManager=somebody&force=true"
    shop.cluster.api.ask("PATCH", path, their_part, "application/apply-patch+yaml")
    shop.remote('{force: ["ConfigMap/data.theirs", "Service/spec.sessionAffinity"]}')
    before, maps = shop.everything(), shop.get("configmaps", "a")
    mine = {
        "deploy/a.yaml": config_map("a", x="2", theirs="blue"),
        "deploy/b.yaml": service("b", sessionAffinity="None"),
    }
    told = shop.site.refused(mine | NEVER_READY)
    assert "data.theirs is taken from kubectl-edit" in told
    assert "spec.sessionAffinity is taken from somebody" in told
    after = shop.get("configmaps", "a")
    assert shop.everything()["services/b"] == before["services/b"]
    assert after["data"] == maps["data"] == {"x": "1", "theirs": "green", "more": "kept"}
    assert _owned(after) == _owned(maps)
    shop.remote()
    assert "data.theirs belongs to kubectl-edit" in shop.site.refused(mine)


def test_a_field_that_must_be_there_always_has_an_owner(shop: Shop) -> None:
    """A container without an image, for one moment, would be refused for ever."""
    web = deployment("app")
    shop.site.release("First", {"deploy/app.yaml": web})
    theirs = "registry.example.org/web@sha256:" + "1" * 64
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": theirs}]}}}}
    path = f"{shop.path('deployments', 'app', '/apis/apps/v1')}?fieldManager=kubectl-set"
    shop.cluster.api.ask("PATCH", path, change, "application/strategic-merge-patch+json")
    field = 'Deployment/spec.template.spec.containers[name="web"].image'
    shop.remote(f"{{force: ['{field}']}}")
    told = shop.site.refused({"deploy/app.yaml": web.replace("0" * 64, "2" * 64)} | NEVER_READY)
    assert "is taken from kubectl-set" in told
    live = shop.get("deployments", "app", "/apis/apps/v1")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == theirs


def test_claims_that_a_failed_set_made_are_gone_with_it(shop: Shop) -> None:
    kept = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-db-1"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    shop.cluster.api.post(shop.path("persistentvolumeclaims"), kept)
    threading.Event().wait(1.1)  # the server tells times in whole seconds
    shop.site.release("First", {"deploy/a.yaml": config_map("a", x="1")})
    shop.site.refused({"deploy/db.yaml": DATABASE})

    def claims() -> list[str]:
        found = shop.cluster.api.get(shop.path("persistentvolumeclaims"))["items"]
        return [item["metadata"]["name"] for item in found]

    assert claims() == ["data-db-1"]


def test_a_full_quota_does_not_hold_up_undoing(shop: Shop) -> None:
    """What was created stays until what was is back, unless there is no room for both."""
    shop.site.release("First", {"deploy/frozen.yaml": FIRST["deploy/frozen.yaml"]})
    before = shop.everything()
    hard = {"hard": {"count/configmaps": "3"}}  # frozen, kube-root-ca.crt and one more
    shop.cluster.api.post(shop.path("resourcequotas"), {"metadata": {"name": "few"}, "spec": hard})
    quota = shop.path("resourcequotas", "few")
    wait(
        "the quota",
        lambda: shop.cluster.api.get(quota).get("status", {}).get("used", {}).get("count/configmaps") == "2",
    )
    new = {"deploy/frozen.yaml": SECOND["deploy/frozen.yaml"], "deploy/b.yaml": config_map("b", x="1")}
    told = shop.site.refused(new | NEVER_READY)
    assert "production is as it was before" in told
    assert shop.everything() == before


def _owned(item: dict[str, Any]) -> dict[str, list[str]]:
    """Name what each manager owns of the data; an entry that was an Update may be an Apply now."""
    found: dict[str, set[str]] = {}
    for entry in item["metadata"]["managedFields"]:
        found.setdefault(entry["manager"], set()).update(entry["fieldsV1"].get("f:data", {}))
    return {manager: sorted(fields) for manager, fields in found.items()}


def test_a_field_that_somebody_takes_meanwhile_does_not_hold_up_undoing(shop: Shop) -> None:
    shop.site.release("First", FIRST)
    before = shop.everything()
    shop.remote(unschedulable=60)
    shop.site.commit("Second", SECOND | NEVER_READY)
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(shop.site.push)
        wait("the rollout", lambda: "deployments/web" in shop.everything())
        shop.edit("configmaps", "a", {"data": {"x": "by hand"}})
        shop.cluster.api.delete(shop.path("deployments", "web", "/apis/apps/v1"))
        pushed = pushing.result()
    assert "production is as it was before" in pushed.text
    assert shop.everything() == before


def test_what_no_set_names_is_put_back_as_it_was_ours(shop: Shop) -> None:
    shop.site.release("First", FIRST)
    (shop.state() / "inventory.json").unlink()
    before = shop.everything()
    shop.site.refused(SECOND | NEVER_READY)
    assert shop.everything() == before


@pytest.mark.row(79)
def test_the_server_is_gone_while_undoing(shop: Shop, tmp_path: Path) -> None:
    shop.site.release("First", FIRST)
    before, tip = shop.everything(), shop.site.tip
    gate = Gate(shop.credential, tmp_path)
    shop.remote(kubeconfig=gate.kubeconfig, unschedulable=60)
    shop.site.commit("Second", SECOND | NEVER_READY)
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(shop.site.push)
        wait("the rollout", lambda: "deployments/web" in shop.everything())
        gate.shut()
        pushed = pushing.result()
    assert "could not be taken back" in pushed.text
    assert shop.site.tip == tip
    again = shop.site.push()
    assert again.code != 0
    assert "API server" in again.text
    with pytest.raises(Stuck, match="could not be taken back"):
        shop.recover()
    gate.open()
    assert any("undone" in line for line in shop.recover())
    gate.shut()
    assert shop.everything() == before
    assert shop.site.tip == tip


def test_the_next_push_settles_what_is_stuck(shop: Shop, tmp_path: Path) -> None:
    shop.site.release("First", FIRST)
    gate = Gate(shop.credential, tmp_path)
    shop.remote(kubeconfig=gate.kubeconfig, unschedulable=60)
    shop.site.commit("Second", SECOND | NEVER_READY)
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(shop.site.push)
        wait("the rollout", lambda: "deployments/web" in shop.everything())
        gate.shut()
        assert "could not be taken back" in pushing.result().text
    shop.remote()
    shop.site.git("rm", "-q", "deploy/web.yaml")
    told = shop.site.release("Mended")
    assert "had been cut off; undone" in told
    assert shop.get("configmaps", "a")["data"] == {"x": "2", "y": "new"}
    assert "deployments/web" not in shop.everything()
