"""The API server is down for half a minute: under a push, under an agent; nothing is half done afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters import clock
from tests.cluster.parts import wait
from tests.kubernetes.gate import Gate
from tests.kubernetes.shop import config_map, deployment, service
from tests.kubernetes.test_agent import agent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kubernetes.shop import Shop

pytestmark = [pytest.mark.cluster, pytest.mark.row(77, 79)]

FILES = {"deploy/a.yaml": config_map("a", x="1"), "deploy/web.yaml": service("web")}
NEVER_READY = {"deploy/pods.yaml": deployment("pods", replicas=1)}
DOWN_SECONDS = 30.0


@pytest.fixture
def gate(shop: Shop, tmp_path: Path) -> Gate:
    """A door to the server that can be shut; something is released through it."""
    gate = Gate(shop.credential, tmp_path)
    shop.remote(kubeconfig=gate.kubeconfig, unschedulable=300)
    shop.site.release("First", FILES)
    return gate


def test_a_push_while_it_is_down_is_refused_and_passes_when_it_is_back(shop: Shop, gate: Gate) -> None:
    before, tip = shop.everything(), shop.site.tip
    gate.shut()
    shop.site.commit("Second", {"deploy/a.yaml": config_map("a", x="2")})
    began = clock.monotonic()
    pushed = shop.site.push()
    assert pushed.code != 0
    assert f"the API server 127.0.0.1:{gate.port} cannot be reached" in pushed.text
    assert "Traceback" not in pushed.text
    assert clock.monotonic() - began < 60
    assert (shop.everything(), shop.site.tip) == (before, tip)
    gate.open()
    pushed = shop.site.push()
    gate.shut()
    assert pushed.code == 0, pushed.text
    assert shop.get("configmaps", "a")["data"] == {"x": "2"}


def test_half_a_minute_under_a_push_and_an_agent(shop: Shop, gate: Gate) -> None:
    before, tip = shop.everything(), shop.site.tip
    shop.site.commit("Second", {"deploy/a.yaml": config_map("a", x="2")} | NEVER_READY)
    with agent(shop) as running, ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(shop.site.push)
        wait("the rollout", lambda: "deployments/pods" in shop.everything())
        gate.shut()
        since = clock.monotonic()
        pushed = pushing.result()
        assert "could not be taken back" in pushed.text
        wait("the agent's attempt", lambda: running.said("could not be taken back"))
        Event().wait(since + DOWN_SECONDS - clock.monotonic())  # that long is what is to be shown
        gate.open()
        wait("the undoing", lambda: running.said("had been cut off; undone"), 120.0)
        assert shop.everything() == before
        assert shop.site.tip == tip
        assert shop.is_settled()
        shop.edit("configmaps", "a", {"data": {"x": "by hand"}})
        wait("the heal", lambda: running.said("drift: ConfigMap a"), 120.0)
        assert len({line for line in running.lines if "could not be taken back" in line}) == len(
            [line for line in running.lines if "could not be taken back" in line]
        )
    shop.site.git("rm", "-q", "deploy/pods.yaml")
    shop.site.release("Mended")
    gate.shut()
    assert shop.get("configmaps", "a")["data"] == {"x": "2"}


def test_what_is_changed_by_hand_meanwhile_is_healed_afterwards(shop: Shop, gate: Gate) -> None:
    with agent(shop) as running:
        gate.shut()
        shop.cluster.api.delete(shop.path("configmaps", "a"))
        wait("the complaint", lambda: running.said("cannot be reached"), 120.0)
        gate.open()
        wait("the heal", lambda: running.said("drift: ConfigMap a: deleted by hand"), 120.0)
        wait("the word that all is well", lambda: running.said("all is well again"), 120.0)
    gate.shut()
    assert shop.get("configmaps", "a")["data"] == {"x": "1"}
