"""Pushes with jobs and checks, which run as Jobs of a real cluster."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.parts import wait
from tests.kubernetes.shop import Shop, config_map, deployment, make_shop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.given import Cluster

pytestmark = pytest.mark.node

GITOPS = """\
version: 1
name: shop
services: {{web: {{dockerfile: Dockerfile}}}}
manifests: deploy
jobs:
  seed: {{service: web, when: before-deploy, command: [sh, -c, {seed!r}]}}
checks:
  page: {{service: web, command: [sh, -c, {check!r}]}}
"""
WAITS = "trap 'exit 0' TERM; echo waiting; while true; do sleep 0.2; done"


def files(*, seed: str = "echo seeding", check: str = "echo checking", colour: str = "red") -> dict[str, str]:
    return {
        "gitops.yaml": GITOPS.format(seed=seed, check=check),
        "Dockerfile": "FROM scratch\n",
        "deploy/settings.yaml": config_map("settings", colour=colour),
    }


@pytest.fixture
def app(node: Cluster, node_namespace: str, tmp_path: Path) -> Shop:
    shop = make_shop(tmp_path, node, node_namespace)
    shop.remote(unschedulable=30)
    config = shop.site.home.config
    images = f"images: {{web: {node.images.python!r}}}"
    namespace = f"namespace: {node_namespace}"
    config.write_text(config.read_text().replace(namespace, f"{namespace}\n        {images}"))
    return shop


def left(shop: Shop) -> list[str]:
    api = shop.cluster.api
    jobs = api.get(shop.path("jobs", api="/apis/batch/v1"))["items"]
    pods = api.get(shop.path("pods"))["items"]
    return [item["metadata"]["name"] for item in (*jobs, *pods)]


def test_what_jobs_and_checks_print_is_told_and_they_are_gone_after(app: Shop) -> None:
    told = app.site.release("First", files())
    assert "seed: seeding" in told
    assert "page: checking" in told
    assert told.index("seed: seeding") < told.index("page: checking")
    assert left(app) == []


def test_a_job_before_the_first_release_has_its_configuration(app: Shop) -> None:
    """What its service reads from objects of the same push is there; what makes pods is not yet."""
    web = deployment("web", replicas=0)
    web = web.replace(f"registry.example.org/web@sha256:{'0' * 64}", "web")
    web += "          envFrom: [{configMapRef: {name: settings}}]\n"
    seed = 'echo "the colour is $colour"'
    told = app.site.release("First", files(seed=seed) | {"deploy/web.yaml": web})
    assert "seed: the colour is red" in told
    told = app.site.release("Second", files(seed=seed, colour="blue"))
    assert "seed: the colour is blue" in told
    before = app.everything()
    app.site.commit("Third", files(seed="echo no; exit 3", colour="green"))
    pushed = app.site.push()
    assert pushed.code != 0
    assert "seed ended with 3" in pushed.text
    assert app.everything() == before


def test_a_check_that_fails_undoes_the_release(app: Shop) -> None:
    app.site.release("First", files())
    before, tip = app.everything(), app.site.tip
    app.site.commit("Second", files(check="echo no page; exit 4", colour="blue"))
    pushed = app.site.push()
    assert pushed.code != 0
    assert "page ended with 4, its last line: no page" in pushed.text
    assert (app.everything(), app.site.tip) == (before, tip)
    assert left(app) == []


def test_a_job_of_a_killed_release_is_ended_by_recovery(app: Shop) -> None:
    app.site.release("First", files())
    before, tip = app.everything(), app.site.tip
    app.site.commit("Second", files(seed=WAITS, colour="blue"))
    push = ["git", "-C", str(app.site.folder), "push", "gitops", "main"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(push, start_new_session=True, **quiet) as pushing:
        wait("the job's pod", lambda: _runs(app))
        os.killpg(pushing.pid, signal.SIGKILL)
    assert app.recover()
    assert left(app) == []
    assert (app.everything(), app.site.tip) == (before, tip)


def _runs(shop: Shop) -> bool:
    pods = shop.cluster.api.get(shop.path("pods"))["items"]
    return any(pod["status"].get("phase") == "Running" for pod in pods)
