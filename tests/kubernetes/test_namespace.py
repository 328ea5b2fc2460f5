"""The namespace of an environment is missing, or is about to be gone: said in one sentence, and nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.parts import wait
from tests.kubernetes.shop import config_map, service

if TYPE_CHECKING:
    from tests.kubernetes.shop import Shop

pytestmark = [pytest.mark.cluster, pytest.mark.row(84)]
FILES = {"deploy/a.yaml": config_map("a", x="1"), "deploy/web.yaml": service("web")}


def test_missing_it_is_named(shop: Shop) -> None:
    name = f"{shop.namespace}-absent"
    shop.remote(kubeconfig=shop.cluster.kubeconfig, namespace=name)
    told = shop.site.refused(FILES)
    assert f"deploy/a.yaml:1: ConfigMap a: the namespace {name} is missing" in told
    assert f"deploy/web.yaml:1: Service web: the namespace {name} is missing" in told


def test_terminating_it_is_said_so(shop: Shop) -> None:
    shop.remote(kubeconfig=shop.cluster.kubeconfig)  # the account would go with it
    shop.site.release("First", FILES)
    tip = shop.site.tip
    held = {"metadata": {"name": "held", "finalizers": ["example.org/held"]}}
    shop.cluster.api.post(shop.path("configmaps"), held)
    space = f"/api/v1/namespaces/{shop.namespace}"
    shop.cluster.api.delete(space)
    try:
        wait("its end to begin", lambda: "deletionTimestamp" in shop.cluster.api.get(space)["metadata"])
        wait("what is in it to go", lambda: shop.names() == [])
        shop.site.commit("Second", {"deploy/a.yaml": config_map("a", x="2")})
        pushed = shop.site.push()
        assert pushed.code != 0
        assert f"the namespace {shop.namespace} is being deleted" in pushed.text
        assert "Traceback" not in pushed.text
        assert shop.site.tip == tip
    finally:
        shop.edit("configmaps", "held", {"metadata": {"finalizers": None}})
