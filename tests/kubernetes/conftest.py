"""Clients of a real API server, and apps that are released to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from gitops_cli.adapters.files import private_dir
from gitops_cli.adapters.kubernetes.access import Access, Where, access_of
from gitops_cli.adapters.kubernetes.client import Client
from tests.kubernetes.shop import Shop, make_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitops_cli.adapters.kubernetes.objects import Kind
    from tests.cluster.given import Cluster


class MakeClient(Protocol):
    """Make a client of the cluster that a kubeconfig names; without one, as its administrator."""

    def __call__(self, kubeconfig: Path | None = None, *, manager: str = "gitops") -> Client: ...


@pytest.fixture(scope="session")
def administrator(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Access:
    """The way to the control plane, read once."""
    return access_of(Where(kubeconfig=control_plane.kubeconfig), tmp_path_factory.mktemp("access"))


@pytest.fixture
def make_client(administrator: Access, tmp_path: Path) -> Iterator[MakeClient]:
    """Make clients; each has a state folder of its own and is closed at the end."""
    made: list[Client] = []

    def make(kubeconfig: Path | None = None, *, manager: str = "gitops") -> Client:
        state = private_dir(tmp_path / f"state-{len(made)}")
        access = access_of(Where(kubeconfig=kubeconfig), state) if kubeconfig else administrator
        made.append(Client(access, state=state, manager=manager))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    """The administrator's client."""
    return make_client()


@pytest.fixture
def config_maps(client: Client) -> Kind:
    """The kind ConfigMap."""
    found = client.kinds().find("v1", "ConfigMap")
    assert found
    return found


@pytest.fixture
def shop(tmp_path: Path, control_plane: Cluster, namespace: str) -> Shop:
    """An app with nothing released yet, in a namespace of its own."""
    return make_shop(tmp_path, control_plane, namespace)


@pytest.fixture
def shops(
    tmp_path: Path, control_plane: Cluster, make_namespace: Callable[..., str]
) -> Callable[[str], Shop]:
    """Make several apps, each in a namespace of its own."""
    return lambda name: make_shop(tmp_path / name, control_plane, make_namespace())
