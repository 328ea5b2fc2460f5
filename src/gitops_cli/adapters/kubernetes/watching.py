"""Watches: what happens to the objects of a kind, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters.kubernetes.objects import Kind
from gitops_cli.adapters.kubernetes.problems import ApiProblem, Gone, problem_from
from gitops_cli.adapters.kubernetes.reading import parameters
from gitops_cli.adapters.kubernetes.streams import Lines

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from gitops_cli.adapters.kubernetes.wire import Wire

_GRACE = 10.0
"""How much longer than asked for a watch may be silent before its connection counts as broken."""
_GONE = 410
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_MOST = 64 * 1024 * 1024


class Event(msgspec.Struct, frozen=True):
    """One event of a watch."""

    type: str
    """ADDED, MODIFIED, DELETED or BOOKMARK."""
    object: dict[str, Any]
    resource_version: str


class Watched(msgspec.Struct, frozen=True):
    """What to watch."""

    kind: Kind
    namespace: str
    selector: str = ""
    fields: str = ""
    metadata_only: bool = False


class _Line(msgspec.Struct):
    type: str
    object: dict[str, Any]


_LINES = msgspec.json.Decoder(_Line)


class Watch:
    """One watch: iterate over it; `close`, also from another thread, ends it."""

    def __init__(
        self,
        wire: Wire,
        wanted: Watched,
        *,
        since: str = "",
        seconds: int = 60,
        stop: threading.Event | None = None,
    ) -> None:
        """Ask for what happens from a resourceVersion on, for `seconds`. Raises `Gone` and `ApiProblem`."""
        self._kind = wanted.kind
        query = parameters(
            watch="true",
            allowWatchBookmarks="true",
            timeoutSeconds=str(seconds),
            resourceVersion=since,
            labelSelector=wanted.selector,
            fieldSelector=wanted.fields,
        )
        accept = _METADATA if wanted.metadata_only else "application/json"
        path = wanted.kind.path(wanted.namespace)
        try:
            self._lines = Lines(
                wire,
                path,
                query=query,
                accept=accept,
                silence=seconds + _GRACE,
                most=_MOST,
                stop=stop,
            )
        except ApiProblem as problem:
            if problem.status == _GONE:
                raise Gone from problem
            raise

    def __iter__(self) -> Iterator[Event]:
        """Give events until the time is over or the watch is closed. Raises `Gone` and `AnswerLost`."""
        with self._lines as lines:
            for line in lines:
                found = _LINES.decode(line)
                if found.type == "ERROR":
                    problem = problem_from(found.object)
                    raise Gone if problem.status == _GONE else problem
                whole = found.object | {"apiVersion": self._kind.api_version, "kind": self._kind.kind}
                yield Event(found.type, whole, whole["metadata"]["resourceVersion"])

    def close(self) -> None:
        """End it; whoever iterates comes to the end."""
        self._lines.close()
