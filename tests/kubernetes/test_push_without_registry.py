"""The registry is down before, during or after a push, or wants a login that has expired: unchanged or continued."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.cluster import apps, images
from tests.cluster.parts import wait
from tests.cluster.registry import Registry
from tests.kubernetes.asking import Asking
from tests.kubernetes.shop import Shop, make_shop
from tests.kubernetes.test_push_that_cannot import manifests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.given import Cluster

pytestmark = [pytest.mark.node, pytest.mark.row(83)]


@pytest.fixture
def registry(node: Cluster, tmp_path: Path) -> Iterator[Registry]:
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    with Registry(node, tmp_path, port) as registry:
        yield registry


def image(registry: Registry, name: str) -> str:
    """Push an image that nobody has pulled yet; it serves what `tests/cluster/inside/web.py` serves."""
    web = apps.web()
    mark = images.layer({"etc/mark": images.File(f"{name} {registry.address}".encode())})
    marked = images.Image((*web.layers, mark), web.command, web.environment, web.user)
    return images.push(marked, registry.address, name)


@pytest.fixture
def served(node: Cluster, node_namespace: str, registry: Registry, tmp_path: Path) -> Iterator[Shop]:
    """A shop that serves `one`, and is asked for it all the while."""
    shop = make_shop(tmp_path, node, node_namespace)
    shop.remote(unschedulable=30)
    shop.site.release("First", manifests(image(registry, "one"), TEXT="one"))
    with Asking(shop.get("services", "web")["spec"]["clusterIP"]) as asking:
        wait("the page", lambda: asking.answers and asking.answers[-1] == "one")
        asking.answers.clear()  # the node may not have known the way at first
        yield shop
    assert asking.failed == []


def pull_errors(shop: Shop) -> int:
    pods = shop.cluster.api.get(shop.path("pods"))["items"]
    waiting = [s["state"].get("waiting", {}) for p in pods for s in p["status"].get("containerStatuses", ())]
    return len([one for one in waiting if one.get("reason") in ("ErrImagePull", "ImagePullBackOff")])


def test_down_before_the_push_it_is_refused_and_nothing_changes(served: Shop, registry: Registry) -> None:
    two = image(registry, "two")
    before, tip = served.get("deployments", "web", "/apis/apps/v1")["spec"], served.site.tip
    registry.stop()
    served.site.commit("Second", manifests(two, TEXT="two"))
    pushed = served.site.push()
    assert pushed.code != 0
    assert "its image cannot be pulled" in pushed.text
    assert "connection refused" in pushed.text
    assert served.site.tip == tip
    assert served.get("deployments", "web", "/apis/apps/v1")["spec"] == before
    registry.start()
    assert served.site.push().code == 0


def test_down_for_a_moment_the_push_goes_on(served: Shop, registry: Registry) -> None:
    two = image(registry, "two")
    registry.stop()
    served.site.commit("Second", manifests(two, TEXT="two"))
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(served.site.push)
        wait("the first pull to fail", lambda: pull_errors(served))
        registry.start()
        pushed = pushing.result()
    assert pushed.code == 0, pushed.text


def test_down_after_the_image_was_pulled_nobody_needs_it(served: Shop, registry: Registry) -> None:
    (container,) = served.get("deployments", "web", "/apis/apps/v1")["spec"]["template"]["spec"]["containers"]
    registry.stop()
    served.site.release("Second", manifests(container["image"], TEXT="two"))


def test_a_login_that_is_not_accepted_is_told_at_once(served: Shop, registry: Registry) -> None:
    two, tip = image(registry, "two"), served.site.tip
    registry.stop()
    registry.start(login=True)
    served.site.commit("Second", manifests(two, TEXT="two"))
    pushed = served.site.push()
    assert pushed.code != 0
    assert "its image cannot be pulled" in pushed.text
    assert "401" in pushed.text or "unauthorized" in pushed.text.lower()
    assert served.site.tip == tip
