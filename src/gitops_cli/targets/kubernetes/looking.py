"""One look at a set in the cluster: which objects are not ready yet, and with which pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.kubernetes.client import Watched
from gitops_cli.targets.kubernetes.pods import WORKLOADS, all_of, found, newest, older
from gitops_cli.targets.kubernetes.readiness import Body, Verdict, judge
from gitops_cli.targets.kubernetes.rendering import APP, ENVIRONMENT, Rendered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitops_cli.adapters.kubernetes.client import Client, Mirror
    from gitops_cli.adapters.kubernetes.objects import Kind

_OURS = (APP, ENVIRONMENT)
GONE = Verdict("waiting", "it is not there")


class Stand(msgspec.Struct, kw_only=True):
    """Where one object stands."""

    rendered: Rendered
    body: Body | None
    """None: it is not there."""
    verdict: Verdict
    pods: list[Body] = []
    """Those of its newest version."""
    older: list[Body] = []
    """Those of a version that is no longer wanted."""
    ending: bool = False
    """Whether a pod of it, of whatever version, is about to go and to make room."""

    @property
    def is_workload(self) -> bool:
        """Say whether it makes pods."""
        return makes_pods(self.rendered)

    @property
    def name(self) -> str:
        """Name it for people: a workload by its name alone, anything else with its kind."""
        return self.rendered.key.name if self.is_workload else self.rendered.key.title()


def makes_pods(rendered: Rendered) -> bool:
    """Say whether an object is a workload."""
    return (rendered.key.group, rendered.key.kind) in WORKLOADS


class Looker:
    """Looks at some objects, again and again."""

    def __init__(self, client: Client, namespace: str, objects: Sequence[Rendered]) -> None:
        """Find their kinds."""
        self._client = client
        self._namespace = namespace
        self._objects = objects
        self._kinds = {(o.api_version, o.key.kind): found(client, o.api_version, o.key.kind) for o in objects}
        self._pods = found(client, "v1", "Pod") if any(map(makes_pods, objects)) else None
        self._selector = _common_labels(objects)
        deployments = any(o.key.kind == "Deployment" for o in objects)
        self._sets = found(client, "apps/v1", "ReplicaSet") if deployments else None

    def all_ready(self) -> bool:
        """Ask once, by one LIST a kind."""
        return all(
            not self._pending(
                kind, self._client.list_full(kind, self._where(kind), selector=self._selector)[0]
            )
            for kind in set(self._kinds.values())
        )

    def watched(self) -> list[Watched]:
        """Say what to keep a copy of for `look`."""
        ours = set(self._kinds.values())
        made = {kind for kind in (self._pods, self._sets) if kind is not None}  # these have no label of ours
        return [
            Watched(kind, self._where(kind), selector="" if kind in made else self._selector)
            for kind in sorted(ours | made)
        ]

    def look(self, mirror: Mirror) -> list[Stand]:
        """Give what is not ready, each with its newest pods, in the order of the set."""
        pending = {
            stand.rendered.key: stand
            for kind in set(self._kinds.values())
            for stand in self._pending(kind, mirror.of(kind))
        }
        pods = mirror.of(self._pods) if self._pods else []
        sets = mirror.of(self._sets) if self._sets else []
        for stand in pending.values():
            if stand.body is not None and stand.is_workload:
                stand.pods = newest(stand.body, pods, sets)
                stand.older = older(stand.body, pods, sets)
                every = all_of(stand.body, pods, sets)
                stand.ending = any("deletionTimestamp" in pod["metadata"] for pod in every)
        return [pending[o.key] for o in self._objects if o.key in pending]

    def _pending(self, kind: Kind, live: Iterable[Body]) -> list[Stand]:
        bodies = {body["metadata"]["name"]: body for body in live}
        stands = (
            _stand(o, bodies.get(o.key.name))
            for o in self._objects
            if self._kinds[o.api_version, o.key.kind] == kind
        )
        return [stand for stand in stands if stand.verdict.state != "ready"]

    def _where(self, kind: Kind) -> str:
        return self._namespace if kind.namespaced else ""


def _common_labels(objects: Sequence[Rendered]) -> str:
    """Give the selector of our labels, if all carry the same ones: a namespace may hold other things too."""
    found = {tuple((o.body["metadata"].get("labels") or {}).get(name) for name in _OURS) for o in objects}
    if len(found) != 1 or None in (values := next(iter(found))):
        return ""
    return ",".join(f"{name}={value}" for name, value in zip(_OURS, values, strict=True))


def _stand(rendered: Rendered, body: Body | None) -> Stand:
    return Stand(rendered=rendered, body=body, verdict=judge(body) if body is not None else GONE)
