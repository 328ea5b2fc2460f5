"""Watches and live copies on a real API server."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.adapters.kubernetes.client import Watched
from gitops_cli.adapters.kubernetes.problems import ApiProblem, Gone
from gitops_cli.adapters.kubernetes.reading import seen_of
from tests.kubernetes.bodies import config_map, widgets

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.adapters.kubernetes.client import Client, Mirror
    from gitops_cli.adapters.kubernetes.objects import Kind
    from tests.cluster.fixtures import Unprivileged
    from tests.kubernetes.conftest import MakeClient

pytestmark = pytest.mark.cluster
OURS = "gitops-cli/app=shop"
LONG = 60.0


def changes(client: Client, kind: Kind, namespace: str) -> str:
    """Create, change and delete an object; give the version before."""
    _, since = client.list_full(kind, namespace, selector=OURS)
    client.apply(kind, namespace, config_map("c"))
    client.apply(kind, namespace, config_map("c", "2"))
    client.delete(kind, namespace, "c")
    return since


def test_a_watch_tells_what_happened_since_a_version(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    since = changes(client, config_maps, namespace)
    found = []
    watch = client.watch(config_maps, namespace, selector=OURS, since=since)
    for event in watch:
        found.append((event.type, event.object["data"]["key"]))
        assert event.resource_version == event.object["metadata"]["resourceVersion"]
        assert event.object["kind"] == "ConfigMap"
        if event.type == "DELETED":
            break
    assert found == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


def test_a_watch_of_metadata_tells_what_a_list_of_it_tells(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    since = changes(client, config_maps, namespace)
    answer = client.apply(config_maps, namespace, config_map("d"))
    watch = client.watch(config_maps, namespace, selector=OURS, since=since, metadata_only=True)
    for event in watch:
        assert "data" not in event.object
        if event.object["metadata"]["name"] == "d":
            break
    assert seen_of(event.object) == seen_of(answer)


def test_a_watch_ends_when_its_time_is_over(client: Client, config_maps: Kind, namespace: str) -> None:
    _, since = client.list_full(config_maps, namespace)
    assert list(client.watch(config_maps, namespace, selector=OURS, since=since, seconds=1)) == []


def test_a_version_that_is_too_old_is_gone(client: Client, namespace: str) -> None:
    """The server remembers no version of a kind from before the kind was there."""
    with widgets(client) as kind, pytest.raises(Gone):
        list(client.watch(kind, namespace, since="1", seconds=60))


def test_a_watch_that_waits_is_closed_from_another_thread(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    _, since = client.list_full(config_maps, namespace)
    watch = client.watch(config_maps, namespace, selector=OURS, since=since, seconds=300)
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.append(list(watch)))
    reader.start()
    client.apply(config_maps, namespace, config_map("c"))
    watch.close()
    reader.join(LONG)
    assert not reader.is_alive()
    assert len(found) == 1


def keys(mirror: Mirror, kind: Kind) -> dict[str, Any]:
    return {body["metadata"]["name"]: body["data"]["key"] for body in mirror.of(kind)}


def until(mirror: Mirror, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not ready():
        assert time.monotonic() < end
        mirror.wait(1.0)


def test_a_mirror_follows_what_happens(client: Client, config_maps: Kind, namespace: str) -> None:
    client.apply(config_maps, namespace, config_map("a"))
    with client.mirror([Watched(config_maps, namespace, OURS)]) as mirror:
        assert keys(mirror, config_maps) == {"a": "1"}
        client.apply(config_maps, namespace, config_map("a", "2"))
        client.apply(config_maps, namespace, config_map("b"))
        until(mirror, lambda: keys(mirror, config_maps) == {"a": "2", "b": "1"})
        client.delete(config_maps, namespace, "a")
        until(mirror, lambda: keys(mirror, config_maps) == {"b": "1"})
    threads = [copy.thread for copy in mirror._copies]
    for thread in threads:
        thread.join(LONG)
    assert not [thread for thread in threads if thread.is_alive()]


def test_a_mirror_asks_one_list_and_one_watch_for_each_kind(
    client: Client, config_maps: Kind, namespace: str, audit: Callable[..., Any]
) -> None:
    services = client.kinds().find("v1", "Service")
    assert services
    with audit(namespace) as seen:
        wanted = [Watched(config_maps, namespace, OURS), Watched(services, namespace)]
        with client.mirror(wanted) as mirror:
            client.apply(config_maps, namespace, config_map("a"))
            until(mirror, lambda: bool(keys(mirror, config_maps)))
    assert seen.count(verb="list", agent="gitops/") == 2
    assert seen.count(verb="watch", agent="gitops/") <= 2  # the other may not have begun
    assert seen.count(verb="watch", resource="configmaps", agent="gitops/") == 1


def test_a_mirror_lists_again_when_its_version_is_too_old(client: Client, namespace: str) -> None:
    def widget(size: int) -> dict[str, Any]:
        names = {"apiVersion": kind.api_version, "kind": "Widget", "metadata": {"name": "a"}}
        return names | {"data": {"key": size}}

    with widgets(client) as kind:
        mirror = client.mirror([Watched(kind, namespace)])
        (copy,) = mirror._copies
        listing = copy.list

        def stale() -> None:
            """List, then be as one who was away for too long."""
            listing()
            copy.list = listing  # type: ignore[method-assign]
            copy._since = "1"
            client.apply(kind, namespace, widget(2))

        copy.list = stale  # type: ignore[method-assign]
        with mirror:
            until(mirror, lambda: keys(mirror, kind) == {"a": 2})


def test_a_mirror_without_the_right_to_list_says_so(
    make_client: MakeClient, unprivileged: Unprivileged, config_maps: Kind, namespace: str
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    client = make_client(unprivileged(namespace, rules))
    with pytest.raises(ApiProblem) as caught, client.mirror([Watched(config_maps, namespace)]):
        pass
    assert "may not list configmaps" in caught.value.cause


def test_a_right_that_is_taken_away_ends_a_mirror_with_the_reason(
    make_client: MakeClient, unprivileged: Unprivileged, config_maps: Kind, namespace: str
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    client = make_client(unprivileged(namespace, rules))
    with client.mirror([Watched(config_maps, namespace)]) as mirror, pytest.raises(ApiProblem) as caught:
        until(mirror, lambda: False)
    assert "may not watch configmaps" in caught.value.cause
