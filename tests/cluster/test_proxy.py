"""Each fault of the proxy, as urllib3 sees it and as the server does."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from urllib3.exceptions import NewConnectionError, ProtocolError, SSLError

from tests.cluster.api import Answer, Api
from tests.cluster.command import kubectl
from tests.cluster.faults import Cut, Delay, LoseAnswer, LoseRequest, Status
from tests.cluster.proxy import EXPIRED, OTHER_NAME, STRANGER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.given import Cluster
    from tests.cluster.proxy import Proxy

pytestmark = pytest.mark.cluster


class Through:
    """ConfigMaps of a namespace through the proxy, and past it."""

    def __init__(self, proxy: Proxy, cluster: Cluster, namespace: str, config: Path) -> None:
        self.proxy, self.direct = proxy, cluster.api
        self.config = proxy.kubeconfig(cluster.kubeconfig, config)
        self.api = Api(self.config)
        self.path = f"/api/v1/namespaces/{namespace}/configmaps"

    def create(self, name: str) -> Any:
        return self.api.post(self.path, {"metadata": {"name": name}, "data": {"key": "value" * 50}})

    def names(self) -> set[str]:
        found = {item["metadata"]["name"] for item in self.direct.get(self.path)["items"]}
        return found - {"kube-root-ca.crt"}


@pytest.fixture
def through(proxy: Proxy, control_plane: Cluster, namespace: str, tmp_path: Path) -> Through:
    return Through(proxy, control_plane, namespace, tmp_path / "kubeconfig")


def test_without_a_fault_it_is_the_server(through: Through) -> None:
    through.create("one")
    assert through.api.get(f"{through.path}/one") == through.direct.get(f"{through.path}/one")
    through.api.delete(f"{through.path}/one")
    assert through.names() == set()
    assert [seen.method for seen in through.proxy.seen] == ["POST", "GET", "DELETE"]


def test_kubectl_works_through_it(through: Through, control_plane: Cluster) -> None:
    namespace = through.path.split("/")[4]
    kubectl(through.config, "create", "configmap", "one", "-n", namespace, "--from-literal=a=b")
    assert through.names() == {"one"}


def test_a_status_comes_instead_of_the_server(through: Through) -> None:
    through.proxy.on("POST", "/configmaps", Status(429, retry_after=3), nth=2, times=2)
    codes = []
    for name in ("one", "two", "three", "four"):
        try:
            through.create(name)
        except Answer as answer:
            codes.append((answer.status, answer.body["reason"], answer.body["details"]))
    assert codes == [(429, "TooManyRequests", {"retryAfterSeconds": 3})] * 2
    assert through.names() == {"one", "four"}
    assert [seen.fault is None for seen in through.proxy.seen] == [True, False, False, True]


def test_urllib3_reads_retry_after(through: Through) -> None:
    through.proxy.on("GET", "/configmaps", Status(503, retry_after=7))
    answer = through.api.pool.request("GET", through.proxy.url + through.path, headers=through.api.headers)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")


@pytest.mark.parametrize("fault", [Cut(after=100), Cut(after=10**9)], ids=["early", "at the last byte"])
def test_an_answer_is_cut(through: Through, fault: Cut) -> None:
    through.proxy.on("GET", "/configmaps", fault)
    through.create("one")
    with pytest.raises(ProtocolError, match="Connection broken"):
        through.api.get(through.path)
    assert through.api.get(through.path)["items"]


def test_a_lost_answer_is_of_a_request_that_was_done(through: Through) -> None:
    through.proxy.on("POST", "/configmaps", LoseAnswer())
    with pytest.raises(ProtocolError, match="Connection aborted"):
        through.create("one")
    assert through.names() == {"one"}


def test_a_lost_request_was_not_done(through: Through) -> None:
    through.proxy.on("*", "/configmaps", LoseRequest())
    with pytest.raises(ProtocolError, match="Connection aborted"):
        through.create("one")
    assert through.names() == set()


def test_a_delayed_request_is_done_late(through: Through) -> None:
    through.proxy.on("POST", "/configmaps", Delay(0.5))
    began = time.monotonic()
    through.create("one")
    assert time.monotonic() - began >= 0.5


def test_an_api_that_is_down_refuses_connections(through: Through) -> None:
    through.create("one")
    with through.proxy.down(), pytest.raises(NewConnectionError):
        Api(through.config).get(through.path)
    through.create("two")
    assert through.names() == {"one", "two"}


@pytest.mark.parametrize(
    ("certificate", "complaint"),
    [(EXPIRED, "certificate has expired"), (STRANGER, "unable to get local issuer|unknown|self-signed"), (OTHER_NAME, "mismatch")],
)  # fmt: skip
def test_a_bad_certificate_is_not_trusted(through: Through, certificate: str, complaint: str) -> None:
    through.proxy.present(certificate)
    with pytest.raises(SSLError, match=complaint):
        through.api.get(through.path)
    assert through.proxy.seen == []
    through.proxy.present("good")
    assert through.api.get(through.path)["items"]


def test_a_watch_streams_and_ends_with_the_connection(through: Through) -> None:
    url = f"{through.proxy.url}{through.path}?watch=true"
    answer = through.api.pool.request(
        "GET", url, headers=through.api.headers, preload_content=False, timeout=60
    )
    # two events may come in one piece; a piece ends with an event
    lines = (json.loads(line) for piece in answer.stream() for line in piece.splitlines())
    through.create("one")
    assert {next(lines)["object"]["metadata"]["name"] for _ in range(2)} == {"kube-root-ca.crt", "one"}
    with through.proxy.down():
        assert ends(lambda: next(lines))
    answer.close()


def ends(read: Callable[[], object]) -> bool:
    """Say whether a stream ends; urllib3 names a missing last chunk in one of two ways."""
    try:
        read()
    except (ProtocolError, StopIteration):
        return True
    return False


def test_nothing_of_it_stays(through: Through) -> None:
    before = threading.active_count()
    through.create("one")
    with through.proxy.down():
        assert threading.active_count() == before - 1
