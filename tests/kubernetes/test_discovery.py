"""Which kinds a real server has, and how often it is asked."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.kubernetes.discovery import ACCEPT
from gitops_cli.adapters.kubernetes.objects import Kind
from tests.kubernetes.bodies import widgets

if TYPE_CHECKING:
    from gitops_cli.adapters.kubernetes.client import Client
    from tests.kubernetes.conftest import MakeClient

pytestmark = pytest.mark.cluster


def test_two_requests_tell_every_kind(client: Client) -> None:
    kinds = client.kinds()
    assert kinds.find("apps/v1", "Deployment") == Kind("apps", "v1", "Deployment", "deployments", True)
    assert kinds.find("v1", "Namespace") == Kind("", "v1", "Namespace", "namespaces", False)
    assert kinds.find("networking.k8s.io/v1", "NetworkPolicy")
    assert kinds.find("batch/v1", "CronJob")
    assert client.sent == 2


def test_the_preferred_version_is_that_of_the_server(client: Client) -> None:
    found = client.kinds().preferred("autoscaling", "HorizontalPodAutoscaler")
    assert found
    assert found.version == "v2"
    assert client.kinds().find("autoscaling/v1", "HorizontalPodAutoscaler")


def test_what_was_told_is_kept_privately_for_the_next_process(
    make_client: MakeClient, client: Client
) -> None:
    client.kinds().find("v1", "ConfigMap")
    path = client.state / "discovery.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = make_client()
    other.state.joinpath("discovery.json").write_bytes(path.read_bytes())
    assert other.kinds().find("v1", "ConfigMap")
    assert other.sent == 0


@pytest.mark.parametrize("damage", [b"", b"{", b'{"server": 3}', b'{"server": "https://other", "kinds": []}'])
def test_a_cache_that_is_damaged_or_of_another_server_is_asked_anew(client: Client, damage: bytes) -> None:
    client.state.joinpath("discovery.json").write_bytes(damage)
    assert client.kinds().find("v1", "ConfigMap")
    assert client.sent == 2


def test_a_kind_that_is_missing_is_asked_for_once(make_client: MakeClient, client: Client) -> None:
    client.kinds().find("v1", "ConfigMap")
    other = make_client()
    other.state.joinpath("discovery.json").write_bytes((client.state / "discovery.json").read_bytes())
    for _ in range(3):
        assert other.kinds().find("example.org/v1", "Widget") is None
        assert other.kinds().preferred("example.org", "Widget") is None
    assert other.sent == 2


def test_a_kind_that_the_push_brought_is_found_soon(client: Client) -> None:
    assert client.kinds().find("apps/v1", "Deployment")  # what is known now does not have it
    with widgets(client) as found:
        assert (found.kind, found.plural, found.namespaced) == ("Widget", "widgets", True)


def test_the_answer_is_in_the_aggregated_form(client: Client) -> None:
    answer = client.request("GET", "/apis", accept=ACCEPT)
    assert (answer["kind"], answer["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
