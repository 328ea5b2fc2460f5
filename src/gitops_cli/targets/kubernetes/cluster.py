"""One environment in its cluster: the server, the namespace, what the operator allows, what we remember."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gitops_cli.adapters.kubernetes.problems import ApiProblem
from gitops_cli.errors import Failed, GitopsError
from gitops_cli.targets.kubernetes.rendering import APP, ENVIRONMENT, labels, selector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitops_cli.adapters.kubernetes.client import Client
    from gitops_cli.adapters.kubernetes.objects import Key, Kind, Seen
    from gitops_cli.config.remote import KubernetesAt, Policy
    from gitops_cli.targets.kubernetes.inventory import Item
    from gitops_cli.targets.kubernetes.rendering import Rendered
    from gitops_cli.targets.kubernetes.state import State

T = TypeVar("T")


@dataclass(frozen=True)
class Cluster:
    """What planning, applying, undoing and pruning share."""

    environment: str
    client: Client
    at: KubernetesAt
    policy: Policy
    state: State

    def kind(self, found: Rendered | Item) -> Kind | None:
        """Give the kind of an object as the server has it now; None when it has none."""
        return self.client.kinds().find(found.api_version, found.key.kind)

    def need(self, found: Rendered | Item) -> Kind:
        """Give the kind of an object. Raises `Failed` when the server has none."""
        kind = self.kind(found)
        if kind is None:
            raise Failed(
                f"{found.key.title()}: the cluster has no kind {found.key.kind} in {found.api_version}",
                code="kubernetes.no-kind",
            )
        return kind

    def is_ours(self, seen: Seen, project: str) -> bool:
        """Say whether a live object carries our labels."""
        told = labels(project, self.environment)
        return all(seen.labels.get(name) == told[name] for name in (APP, ENVIRONMENT))

    def look(self, wanted: Iterable[Rendered | Item], project: str) -> dict[Key, Seen]:
        """Give the live objects that carry our labels: one LIST, of metadata only, for each kind of `wanted`.

        Raises the first `GitopsError`.
        """
        places = {(kind, one.key.namespace): None for one in wanted if (kind := self.kind(one)) is not None}
        chosen = selector(project, self.environment)
        calls = [partial(self._list, kind, namespace, chosen) for kind, namespace in places]
        return {seen.key: seen for answer in self.all(calls) for seen in answer}

    def _list(self, kind: Kind, namespace: str, chosen: str) -> list[Seen]:
        try:
            return self.client.list_seen(kind, namespace, selector=chosen)
        except ApiProblem as problem:
            if not problem.is_missing:
                raise
            self.client.kinds().refresh()  # the definition of the kind was deleted since we asked
            return []

    def all(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """Make calls, many in flight, and give what they returned. Raises the first `GitopsError` of any."""
        found: list[T] = []
        for answer in self.client.together(calls):
            if isinstance(answer, GitopsError):
                raise answer
            found.append(answer)
        return found
