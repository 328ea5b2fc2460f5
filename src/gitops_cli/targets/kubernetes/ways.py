"""Which port of which Service leads to a service of gitops.yaml, as the objects of a set tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gitops_cli.config.pods import listed, mapping, pods
from gitops_cli.targets.asking import Way, choose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitops_cli.targets.kubernetes.rendering import Rendered


class Port(NamedTuple):
    """One port of a Service."""

    name: str
    port: int


class _Container(NamedTuple):
    labels: Mapping[str, Any]
    """Of its pod."""
    ports: frozenset[int | str]
    """By number and by name."""
    services: frozenset[str]


def asked(rendered: Sequence[Rendered], images: Mapping[str, str], service: str) -> Port | None:
    """Give the port at which a check asks a service; None when no Service has a port.

    `images`: the image of each service, as remote.yaml has it. Raises `Failed` as `asking.choose` does.
    """
    containers = list(_containers(rendered, images))
    ports: dict[str, Port] = {}
    ways: dict[str, Way] = {}
    for one in rendered:
        for found, leads in _ports(one):
            key = f"{found.name}:{found.port}"
            chosen = [each for each in containers if _selects(one, each)]
            ports[key] = found
            ways[key] = Way(
                found.name,
                {name for each in chosen if leads in each.ports for name in each.services},
                {name for each in chosen for name in each.services},
            )
    return ports.get(choose(service, ways))


def named(rendered: Sequence[Rendered], name: str) -> Port | None:
    """Give the first port of the Service of a name, or of the first Service for an empty one."""
    every = (found for one in rendered for found, _ in _ports(one))
    return next((found for found in every if name in ("", found.name)), None)


def _ports(one: Rendered) -> Iterator[tuple[Port, int | str]]:
    """Give each port of a Service, and by what it is known to the containers."""
    if (one.key.group, one.key.kind) == ("", "Service"):
        for port in listed(mapping(one.body.get("spec")).get("ports")):
            number = int(port["port"])
            yield Port(one.key.name, number), port.get("targetPort") or number


def _selects(service: Rendered, container: _Container) -> bool:
    chosen = mapping(mapping(service.body.get("spec")).get("selector"))
    return bool(chosen) and chosen.items() <= container.labels.items()


def _containers(rendered: Sequence[Rendered], images: Mapping[str, str]) -> Iterator[_Container]:
    for one in rendered:
        for pod in pods(one.body):
            labels = mapping(mapping(_above(one.body, pod.path).get("metadata")).get("labels"))
            for container in map(mapping, listed(pod.spec.get("containers"))):
                image = container.get("image")
                ports = map(mapping, listed(container.get("ports")))
                known = [name for port in ports for name in (port.get("containerPort"), port.get("name"))]
                services = frozenset(name for name, its in images.items() if its == image)
                yield _Container(labels, frozenset(name for name in known if name), services)


def _above(body: dict[str, Any], path: Sequence[str | int]) -> dict[str, Any]:
    """Give what the spec of a pod stands in: the template, or the Pod itself."""
    found = body
    for part in path[:-1]:
        found = mapping(found.get(str(part)))
    return found
