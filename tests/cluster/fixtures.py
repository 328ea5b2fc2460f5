"""A pytest plugin: real Kubernetes for tests.

`control_plane` is one API server with controllers for the whole run, shared by all workers: no node, pods stay
Pending. Tests on it carry the mark `cluster` and stay in a `namespace` of their own. `node` is a second one, whose
node runs pods: mark `node`, namespaces from `node_namespace`. A test that measures time carries `alone` too.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import pytest

from tests.cluster import accounts, given, shared, volumes
from tests.cluster.api import Answer
from tests.cluster.parts import wait
from tests.cluster.proxy import Certificates, Proxy, certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.cluster.accounts import Rules
    from tests.cluster.api import Api
    from tests.cluster.audit import Window
    from tests.cluster.given import Cluster


def pytest_configure(config: pytest.Config) -> None:
    shared.begin(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    shared.end(config)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test with `node` is one with `cluster` too."""
    if item.get_closest_marker("node"):
        item.add_marker("cluster")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a test with `alone` wait until no other test on Kubernetes runs, and those wait for it."""
    if not item.get_closest_marker("cluster"):
        return (yield)
    with shared.turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session")
def control_plane() -> Cluster:
    """One API server with controllers, for the whole run."""
    return given.cluster("control-plane")


@pytest.fixture(scope="session")
def node() -> Cluster:
    """A cluster that runs pods, for the whole run; its images are `node.images`."""
    return given.cluster("node", node=True)


@pytest.fixture
def make_node_namespace(node: Cluster) -> Iterator[Callable[..., str]]:
    """Make namespaces on the cluster with a node, as `make_namespace` does on the other."""
    with namespaces(node.api) as make:
        yield make


@pytest.fixture
def node_namespace(make_node_namespace: Callable[..., str]) -> str:
    """A namespace of the test's own on the cluster with a node."""
    return make_node_namespace()


@pytest.fixture
def volume(node: Cluster) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Make a volume on the node; gives the spec of a claim that gets it: `volume("1Gi")`."""
    with volumes.volumes(node) as make:
        yield make


@pytest.fixture
def make_namespace(control_plane: Cluster) -> Iterator[Callable[..., str]]:
    """Make namespaces, with a Pod Security level if one is named; they are deleted without waiting."""
    with namespaces(control_plane.api) as make:
        yield make


@pytest.fixture
def namespace(make_namespace: Callable[..., str]) -> str:
    """A namespace of the test's own on the control plane, without a Pod Security level."""
    return make_namespace()


@pytest.fixture
def audit(control_plane: Cluster) -> Callable[..., AbstractContextManager[Window]]:
    """Collect the requests of a window from the server's log: `with audit(namespace) as seen: ...`."""
    return control_plane.audit.window


@pytest.fixture(scope="session")
def proxy_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The proxy's authority and its certificates, good and bad."""
    return certificates(tmp_path_factory.mktemp("proxy"))


@pytest.fixture
def proxy(control_plane: Cluster, proxy_certificates: Certificates) -> Iterator[Proxy]:
    """A proxy before the control plane, without a fault yet: `proxy.on("PATCH", "/configmaps/", Status(429))`."""
    with Proxy(control_plane.api, proxy_certificates) as running:
        yield running


class Unprivileged(Protocol):
    """Make an account with these rules in a namespace; `everywhere` holds in the whole cluster."""

    def __call__(self, namespace: str, rules: Rules, everywhere: Rules | None = None) -> Path: ...


@pytest.fixture
def unprivileged(control_plane: Cluster, tmp_path: Path) -> Unprivileged:
    """Write kubeconfigs of accounts on the control plane that may do only what is said."""
    return _accounts(control_plane, tmp_path)


@pytest.fixture
def node_unprivileged(node: Cluster, tmp_path: Path) -> Unprivileged:
    """Write kubeconfigs of accounts on the cluster with a node that may do only what is said."""
    return _accounts(node, tmp_path)


@pytest.fixture
def node_audit(node: Cluster) -> Callable[..., AbstractContextManager[Window]]:
    """Collect the requests of a window on the cluster with a node."""
    return node.audit.window


def _accounts(cluster: Cluster, folder: Path) -> Unprivileged:
    number = itertools.count()

    def make(namespace: str, rules: Rules, everywhere: Rules | None = None) -> Path:
        path = folder / f"kubeconfig-user-{next(number)}"
        return accounts.make(cluster.kubeconfig, path, namespace, rules, everywhere)

    return make


FILLED = ("serviceaccounts/default", "configmaps/kube-root-ca.crt")
"""What the controllers put into a new namespace; without the first, no pod is admitted."""


@contextlib.contextmanager
def namespaces(api: Api) -> Iterator[Callable[..., str]]:
    """Give a maker of namespaces that are ready for pods; at the end, ask for the removal of each."""
    made: list[str] = []

    def make(security: str | None = None) -> str:
        name = f"t-{uuid4().hex[:10]}"
        labels = {"pod-security.kubernetes.io/enforce": security} if security else {}
        api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        made.append(name)
        wait(
            f"the namespace {name}",
            lambda: all(_exists(api, f"/api/v1/namespaces/{name}/{each}") for each in FILLED),
        )
        return name

    try:
        yield make
    finally:
        for name in made:
            with contextlib.suppress(Answer):  # the test may have removed it
                api.delete(f"/api/v1/namespaces/{name}")


def _exists(api: Api, path: str) -> bool:
    try:
        api.get(path)
    except Answer as answer:
        if answer.status != 404:
            raise
        return False
    return True
