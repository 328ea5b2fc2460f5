"""The agent: what people change in the namespace is put back, counted and said; nothing costs nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from gitops_cli.errors import GitopsError
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.reconcile.agent import Agent
from gitops_cli.targets.kubernetes.fights import TIMES
from gitops_cli.targets.kubernetes.state import State
from tests.cluster.parts import wait
from tests.kubernetes.shop import config_map, deployment, service
from tests.kubernetes.test_release import CLAIM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.cluster.audit import Window
    from tests.kubernetes.shop import Shop

pytestmark = pytest.mark.cluster

FILES = {
    "deploy/a.yaml": config_map("a", x="1"),
    "deploy/b.yaml": config_map("b", x="1"),
    "deploy/service.yaml": service("web"),
    "deploy/web.yaml": deployment("web"),
}


def tend(shop: Shop) -> list[str]:
    """Let an agent look once, as its loop does."""
    return releases.tend(shop.site.home, "production", SILENT, heal=True)


def value(shop: Shop, name: str) -> str:
    found: str = shop.get("configmaps", name)["data"]["x"]
    return found


class Running:
    """An agent as its own process."""

    def __init__(self, shop: Shop) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gitops_cli", "agent", "--home", str(shop.site.home.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def said(self, part: str) -> bool:
        return any(part in line for line in self.lines)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.lines
        self.close()

    def close(self) -> None:
        self._reader.join(60)
        if self.process.stdout:
            self.process.stdout.close()


@contextmanager
def agent(shop: Shop) -> Iterator[Running]:
    running = Running(shop)
    try:
        wait("the agent", lambda: running.said("looking after"))
        yield running
        running.stop()
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()
        running.close()


@pytest.mark.row(82)
def test_an_object_that_was_edited_is_put_back_and_who_did_it_is_said(shop: Shop) -> None:
    shop.site.release(files=FILES)
    before = shop.everything()
    shop.edit("configmaps", "a", {"data": {"x": "by hand"}}, manager="kubectl-edit")
    said = "\n".join(tend(shop))
    assert 'ConfigMap a: data.x: "by hand" -> "1"' in said or "data.x" in said
    assert "by kubectl-edit at 20" in said
    assert value(shop, "a") == "1"
    assert shop.everything() == before
    assert tend(shop) == []


@pytest.mark.row(82)
def test_an_object_that_was_deleted_is_there_again(shop: Shop) -> None:
    shop.site.release(files=FILES)
    before = shop.everything()
    shop.cluster.api.delete(shop.path("configmaps", "a"))
    shop.cluster.api.delete(shop.path("services", "web"))
    said = "\n".join(tend(shop))
    assert "ConfigMap a: deleted by hand" in said
    assert "Service web: deleted by hand" in said
    assert shop.names() == ["a", "b"]
    assert set(shop.everything()) == set(before)


def test_a_field_that_was_taken_away_is_there_again(shop: Shop) -> None:
    shop.site.release(files=FILES)
    shop.edit("configmaps", "a", {"data": {"x": None}})
    said = "\n".join(tend(shop))
    assert "ConfigMap a" in said
    assert "taken away by somebody: data" in said
    assert value(shop, "a") == "1"


def test_what_others_add_stays(shop: Shop) -> None:
    shop.site.release(files=FILES)
    shop.edit("configmaps", "a", {"data": {"theirs": "1"}, "metadata": {"labels": {"team": "x"}}})
    assert tend(shop) == []
    assert shop.get("configmaps", "a")["data"] == {"x": "1", "theirs": "1"}


def test_what_somebody_changes_again_and_again_is_left_alone(shop: Shop) -> None:
    shop.site.release(files=FILES)
    for turn in range(TIMES):
        shop.edit("configmaps", "a", {"data": {"x": f"theirs {turn}"}})
        said = tend(shop)
    assert any("left alone" in line for line in said)
    shop.edit("configmaps", "a", {"data": {"x": "theirs"}})
    assert tend(shop) == []
    assert value(shop, "a") == "theirs"
    live = releases.status(shop.site.home, ask=True)[0].live
    assert any("left alone" in line for line in live.detail["frozen"])
    assert any("ConfigMap a" in line for line in live.detail["drift"])
    shop.edit("configmaps", "b", {"data": {"x": "theirs"}})
    assert len(tend(shop)) == 1  # the others are looked after
    assert shop.recover()  # an operator insists
    assert value(shop, "a") == "1"


@pytest.mark.row(81)
def test_a_release_takes_in_hand_what_was_left_alone_once_its_owner_gave_it_up(shop: Shop) -> None:
    shop.site.release(files=FILES)
    for turn in range(TIMES + 1):
        shop.edit("configmaps", "a", {"data": {"x": f"theirs {turn}"}})
        tend(shop)
    assert value(shop, "a") == f"theirs {TIMES}"
    refused = shop.site.refused({"deploy/b.yaml": config_map("b", x="2")})
    assert "data.x belongs to kubectl-edit" in refused
    shop.edit("configmaps", "a", {"data": {"x": None}}, manager="kubectl-edit")
    shop.site.release()
    assert (value(shop, "a"), value(shop, "b")) == ("1", "2")
    shop.edit("configmaps", "a", {"data": {"x": "theirs"}})
    assert tend(shop)


def test_a_heal_that_does_not_become_ready_keeps_what_it_healed(shop: Shop) -> None:
    """What was sent is what was released: taking it away again would help nobody."""
    volume = shop.volume()
    shop.cluster.api.post("/api/v1/persistentvolumes", volume)
    shop.site.release(files=FILES | {"deploy/claim.yaml": CLAIM.format(volume=shop.namespace)})
    config = shop.site.home.config
    config.write_text(config.read_text().replace("rollout: 60", "rollout: 3"))
    shop.edit("configmaps", "a", {"data": {"x": "by hand"}})
    shop.cluster.api.delete(shop.path("persistentvolumeclaims", "data"))
    wait("the deletion", lambda: not shop.names("persistentvolumeclaims"))
    with pytest.raises(GitopsError, match="not ready within 3 s"):  # its volume is of the claim before
        tend(shop)
    assert shop.names("persistentvolumeclaims") == ["data"]
    assert value(shop, "a") == "1"
    assert tend(shop) == []


def test_a_lost_ledger_is_written_anew(shop: Shop) -> None:
    """Else the agent asks about the same objects again and again."""
    shop.site.release(files=FILES)
    before = State(shop.state()).ledger().rows
    (shop.state() / "ledger.json").unlink()
    assert tend(shop) == []
    after = State(shop.state()).ledger().rows
    assert [(row.key, row.uid, row.fields, row.time) for row in after] == [
        (row.key, row.uid, row.fields, row.time) for row in before
    ]


def test_what_is_left_alone_costs_a_running_agent_nothing(
    shop: Shop, audit: Callable[..., AbstractContextManager[Window]]
) -> None:
    shop.site.release(files=FILES)
    for turn in range(TIMES):
        shop.edit("configmaps", "a", {"data": {"x": f"theirs {turn}"}})
        tend(shop)
    shop.edit("configmaps", "a", {"data": {"x": "theirs"}})
    with agent(shop) as running:
        shop.edit("configmaps", "b", {"data": {"x": "by hand"}})
        wait("the heal", lambda: running.said("ConfigMap b"))
        wait("the value", lambda: value(shop, "b") == "1")
        asked = [_asked_in_five_seconds(shop, audit) for _ in range(3)]
    assert asked[-1] == 0, asked
    assert value(shop, "a") == "theirs"


def test_a_namespace_that_was_deleted_is_there_again(shop: Shop) -> None:
    name = shop.elsewhere("{clusterScoped: [Namespace]}")
    made = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"
    shop.site.release(files={"deploy/namespace.yaml": made, "deploy/a.yaml": config_map("a", x="1")})
    with agent(shop) as running:
        shop.cluster.api.delete(f"/api/v1/namespaces/{name}")
        path = f"/api/v1/namespaces/{name}/configmaps/a"
        # the agent asks again after growing pauses, as long as the namespace ends
        wait("the deletion", lambda: running.said("drift: ConfigMap a"), seconds=300)
        wait("the namespace", lambda: shop.cluster.api.get(path)["data"] == {"x": "1"})
    shop.cluster.api.delete(f"/api/v1/namespaces/{name}")


def test_a_running_agent_hears_of_a_change_and_costs_nothing_otherwise(
    shop: Shop, audit: Callable[..., AbstractContextManager[Window]]
) -> None:
    shop.site.release(files=FILES)
    with agent(shop) as running:
        shop.edit("configmaps", "a", {"data": {"x": "by hand"}})
        wait("the heal", lambda: running.said("ConfigMap a"))
        wait("the value", lambda: value(shop, "a") == "1")
        shop.edit("configmaps", "b", {"data": {"x": "by hand"}})
        wait("another heal", lambda: running.said("ConfigMap b"))
        wait("the value", lambda: value(shop, "b") == "1")
        asked = [_asked_in_five_seconds(shop, audit) for _ in range(6)]
    assert 0 in asked, asked  # the heals' own echoes are over by then
    assert asked[-1] == 0


def _asked_in_five_seconds(shop: Shop, audit: Callable[..., AbstractContextManager[Window]]) -> int:
    with audit(shop.namespace) as seen:
        threading.Event().wait(5)  # ten looks of the loop: what is to be shown is that nothing happens
    return len([one for one in seen.requests if one.verb != "watch"])


def test_two_agents_do_not_fight(shop: Shop) -> None:
    shop.site.release(files=FILES)
    with agent(shop) as first, agent(shop) as second:
        for turn in range(3):
            shop.edit("configmaps", "a", {"data": {"x": f"by hand {turn}"}})
            wait("the heal", lambda: value(shop, "a") == "1")
        wait("the report", lambda: first.said("ConfigMap a") or second.said("ConfigMap a"))
    healed = [line for line in first.lines + second.lines if "drift: ConfigMap a" in line]
    assert 1 <= len(healed) <= 3
    assert not first.said("left alone")
    assert not second.said("left alone")


def test_once_by_the_command_line(shop: Shop) -> None:
    shop.site.release(files=FILES)
    command = [sys.executable, "-m", "gitops_cli", "agent", "--once", "--home", str(shop.site.home.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "nothing to do" in done.stdout
    shop.edit("configmaps", "a", {"data": {"x": "by hand"}})
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "ConfigMap a" in done.stdout
    assert value(shop, "a") == "1"


def test_an_agent_that_knows_no_remote_says_so() -> None:
    command = [sys.executable, "-m", "gitops_cli", "agent", "--once", "--home", "/nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is no remote" in done.stderr


def test_the_loop_says_a_failure_once(shop: Shop) -> None:
    shop.site.release(files=FILES)
    shop.remote(kubeconfig=shop.site.home.path / "gone")
    said: list[str] = []
    with pytest.raises(Exception, match="gone"):
        Agent(shop.site.home, said.append).once()
