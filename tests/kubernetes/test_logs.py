"""What pods print, on a real node."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gitops_cli.errors import Refused
from gitops_cli.targets.kubernetes.logs import logs
from tests.kubernetes.rolling import Site, container, site_of, workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.given import Cluster

pytestmark = pytest.mark.node

TALKS = (
    "trap 'exit 0' TERM; for i in 1 2 3; do echo old $i; done; "
    "while [ ! -e /tmp/go ]; do sleep 0.1; done; echo new; while true; do sleep 0.1; done"
)


@pytest.fixture
def site(node: Cluster, node_namespace: str, tmp_path: Path) -> Iterator[Site]:
    with site_of(node, node_namespace, tmp_path) as site:
        yield site


def texts(lines: list[str]) -> list[str]:
    return [line.partition(": ")[2] for line in lines]


def test_the_last_lines_of_all_pods_of_a_service(site: Site, node: Cluster) -> None:
    image = node.images.python
    web = workload("Deployment", container(image, TALKS), replicas=2)
    db = workload("StatefulSet", {**container(image, f"echo tables; {TALKS}"), "name": "postgres"}, name="db")
    objects = site.apply(web, db)
    site.wait(*objects)

    def told(service: str, lines: int = 100, images: dict[str, str] | None = None) -> list[str]:
        return list(
            logs(site.client, site.namespace, service, objects, follow=False, lines=lines, images=images)
        )

    assert sorted(texts(told("web"))) == ["old 1", "old 1", "old 2", "old 2", "old 3", "old 3"]
    assert len({line.partition(": ")[0] for line in told("web")}) == 2
    assert told("db") == told("postgres") == ["db-0: tables", *(f"db-0: old {i}" for i in (1, 2, 3))]
    assert told("db", 1) == ["db-0: old 3"]
    assert len(told("")) == 10
    assert len(told("api", images={"api": image})) == 10
    with pytest.raises(Refused, match="nothing called api runs here"):
        told("api")


def test_new_lines_are_followed_also_of_pods_that_come_later(site: Site, node: Cluster) -> None:
    image = node.images.python
    objects = site.apply(workload("Deployment", container(image, TALKS)))
    site.wait(*objects)
    found: list[str] = []
    some, more = threading.Event(), threading.Event()

    def read() -> None:
        for line in logs(site.client, site.namespace, "web", objects, follow=True, lines=2):
            found.append(line)
            if len(found) == 2:
                some.set()
            if len(found) == 5:
                more.set()
                return

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert some.wait(120)
    assert texts(found) == ["old 2", "old 3"]
    site.apply(workload("Deployment", container(image, TALKS), replicas=2))
    assert more.wait(120)
    assert texts(found[2:]) == ["old 1", "old 2", "old 3"]
    assert len({line.partition(": ")[0] for line in found}) == 2
    thread.join(120)
