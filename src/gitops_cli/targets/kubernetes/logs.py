"""What the pods of a service printed, and print."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING

from gitops_cli.adapters.kubernetes.client import Watched
from gitops_cli.config.pods import pods as pods_in
from gitops_cli.errors import GitopsError, Refused
from gitops_cli.targets.kubernetes.following import Following
from gitops_cli.targets.kubernetes.looking import makes_pods
from gitops_cli.targets.kubernetes.pods import all_of, found
from gitops_cli.targets.kubernetes.verdicts import statuses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitops_cli.adapters.kubernetes.client import Client
    from gitops_cli.adapters.kubernetes.objects import Kind
    from gitops_cli.targets.kubernetes.readiness import Body
    from gitops_cli.targets.kubernetes.rendering import Rendered

_LOOK_AGAIN = 0.2


def logs(  # noqa: PLR0913 - all but the first four by name
    client: Client,
    namespace: str,
    service: str,
    rendered: Sequence[Rendered],
    *,
    follow: bool,
    lines: int,
    images: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Give the last lines of a service, a workload or a container (empty: of all), then what comes.

    `images`: the image of each service. Each line begins with its pod's name and is hostile.
    Raises `Refused` for something that does not run here.
    """
    chosen = _chosen(service, rendered, (images or {}).get(service, ""))
    if not chosen:
        raise Refused(
            f"nothing called {service or 'a service'} runs here",
            code="kubernetes.no-logs",
            next_command="gitops status",
        )
    if follow:
        yield from _following(client, namespace, chosen, lines)
    else:
        yield from _last(client, namespace, chosen, lines)


class _Choice:
    """A workload and the containers of it that are meant."""

    def __init__(self, rendered: Rendered, kind: str, containers: frozenset[str]) -> None:
        self.api_version = rendered.api_version
        self.kind = kind
        self.name = rendered.key.name
        self.containers = containers


def _chosen(service: str, rendered: Sequence[Rendered], image: str) -> list[_Choice]:
    choices: list[_Choice] = []
    for one in rendered:
        if not makes_pods(one):
            continue
        every = [container for pod in pods_in(one.body) for _, container in pod.containers()]
        if service in ("", one.key.name):
            meant = every
        else:
            meant = [c for c in every if c.get("name") == service or (image and c.get("image") == image)]
        if meant:
            choices.append(_Choice(one, one.key.kind, frozenset(str(c.get("name")) for c in meant)))
    return choices


def _kinds(client: Client, chosen: Iterable[_Choice]) -> list[Kind]:
    """Give the kinds to look at: of the workloads, pods, ReplicaSets."""
    kinds = {found(client, choice.api_version, choice.kind) for choice in chosen}
    return sorted({*kinds, found(client, "v1", "Pod"), found(client, "apps/v1", "ReplicaSet")})


def _started(chosen: Iterable[_Choice], live: Mapping[str, list[Body]]) -> Iterator[tuple[str, str, int]]:
    """Give (pod, container, run) of each container that is meant and has something to tell."""
    for choice in chosen:
        for workload in live[choice.kind]:
            if workload["metadata"]["name"] != choice.name:
                continue
            for pod in all_of(workload, live["Pod"], live["ReplicaSet"]):
                for status in statuses(pod):
                    waiting = "waiting" in (status.get("state") or {"waiting": {}})
                    if status["name"] in choice.containers and not (waiting and not status.get("lastState")):
                        yield pod["metadata"]["name"], status["name"], int(status.get("restartCount") or 0)


def _last(client: Client, namespace: str, chosen: list[_Choice], lines: int) -> Iterator[str]:
    """Give the last lines of all together, by their times."""
    live = {kind.kind: client.list_full(kind, namespace)[0] for kind in _kinds(client, chosen)}
    told: list[list[tuple[str, str, str]]] = []
    for pod, container, _ in _started(chosen, live):
        try:
            output = list(client.logs(namespace, pod, container=container, tail=lines, times=True))
        except GitopsError:  # the pod has gone since, or the node does not answer
            continue
        told.append([(stamp, pod, line) for stamp, _, line in (text.partition(" ") for text in output)])
    for _, pod, line in deque(heapq.merge(*told), maxlen=lines):
        yield f"{pod}: {line}"


def _following(client: Client, namespace: str, chosen: list[_Choice], lines: int) -> Iterator[str]:
    """Give the last lines of what runs, then every line of it and of what starts."""
    kinds = _kinds(client, chosen)
    tail: int | None = lines
    watched = [Watched(kind, namespace) for kind in kinds]
    with client.mirror(watched) as mirror, Following(client, namespace) as following:
        while True:
            live = {kind.kind: mirror.of(kind) for kind in kinds}
            for pod, container, run in _started(chosen, live):
                following.add(pod, container, run=run, tail=tail)
            tail = None  # what starts from now on is told from its first line
            for pod, line in following.take(_LOOK_AGAIN):
                yield f"{pod}: {line}"
            mirror.wait(0)  # raises what ended a watch for good
