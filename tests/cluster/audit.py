"""Requests counted by the server itself: its audit log, read between two moments."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.api import Api

LASTING = "ResponseStarted"
"""Only requests that stay open (watch, exec, logs that follow) have this stage; they count when they begin."""


@dataclass(frozen=True)
class Request:
    """One request as the server saw it. `code` is None for one that is still open."""

    id: str
    verb: str
    resource: str
    """With the subresource: `deployments/scale`. A path such as `/api` when it is for no resource."""
    namespace: str
    name: str
    user: str
    agent: str
    uri: str
    code: int | None

    @property
    def dry_run(self) -> bool:
        return "dryRun=All" in self.uri

    @property
    def by_the_cluster(self) -> bool:
        """Whether the cluster's own parts asked, not a test."""
        return self.user.startswith(("part:", "system:")) and (
            not self.user.startswith("system:serviceaccount:")
            or self.user.startswith("system:serviceaccount:kube-system:")
        )

    @property
    def writes(self) -> bool:
        """Whether it could have changed something that stays."""
        checks = ("subjectaccessreviews", "selfsubjectrulesreviews", "tokenreviews")
        reads = self.verb in ("get", "list", "watch") or self.resource.endswith(checks)
        return not reads and not self.dry_run


@dataclass
class Window:
    """What was asked within a window; filled when the window closes."""

    requests: list[Request] = field(default_factory=list)

    def where(self, **wanted: object) -> list[Request]:
        """Give the requests whose fields have these values; `agent` and `user` are beginnings."""
        return [request for request in self.requests if _matches(request, wanted)]

    def count(self, **wanted: object) -> int:
        """Count the requests whose fields have these values, as `verb="patch", dry_run=False`."""
        return len(self.where(**wanted))

    def table(self) -> Counter[tuple[str, str, str]]:
        """Count by verb, resource and the first word of the user agent."""
        return Counter((each.verb, each.resource, each.agent.split("/")[0]) for each in self.requests)


def _matches(request: Request, wanted: dict[str, object]) -> bool:
    for name, value in wanted.items():
        found = getattr(request, name)
        if name in ("agent", "user") and isinstance(value, str):
            if not found.startswith(value):
                return False
        elif found != value:
            return False
    return True


@dataclass(frozen=True)
class Audit:
    """The audit log of a cluster of ours."""

    log: Path
    api: Api

    @contextmanager
    def window(self, namespace: str | None = None, *, cluster: bool = False) -> Iterator[Window]:
        """Collect what is asked meanwhile, of one namespace or of all.

        Requests of the cluster's own parts are left out unless `cluster`, those of fixtures always. With a
        namespace, what belongs to none (discovery, access reviews, a Namespace) is left out, but for the
        Namespace of that name.
        """
        start = self._mark()
        seen = Window()
        yield seen
        end = self._mark()
        seen.requests += [
            request
            for request in self._settled(start, end, namespace)
            if (cluster or not request.by_the_cluster) and _MARK not in request.uri
        ]

    def _mark(self) -> int:
        """Ask something that nobody else asks, and wait until it stands in the log; give the log's size."""
        before = self.log.stat().st_size
        mark = uuid4().hex
        self.api.get(f"/version?{_MARK}={mark}")
        self._until(lambda: any(mark in line for _, line in self._lines(before) if _COMPLETE in line))
        return self.log.stat().st_size

    def _settled(self, start: int, end: int, namespace: str | None) -> list[Request]:
        """Give the requests that came between two places of the log, when every one has been answered too.

        Those that come later are nobody's: other tests ask on and on, and one is always open.
        """
        found: dict[str, Request] = {}

        def all_answered() -> bool:
            found.clear()
            received: set[str] = set()
            for place, line in self._lines(start):
                event = json.loads(line)
                request = _request(event)
                if namespace is not None and request.namespace != namespace:
                    continue
                if event["stage"] == "RequestReceived":
                    if place < end:
                        received.add(request.id)
                elif request.id in received:  # not the end of a watch that began before the window
                    found[request.id] = request
            return len(received) == len(found)

        self._until(all_answered)
        return list(found.values())

    def _until(self, ready: Callable[[], bool], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.log}: the server has not written the end of every request")
            time.sleep(0.02)  # the log is a file that another process appends to: there is no event to await

    def _lines(self, start: int) -> Iterator[tuple[int, str]]:
        """Give each line that is whole, and where it begins."""
        with self.log.open("rb") as log:
            log.seek(start)
            for line in log:
                if line.endswith(b"\n"):
                    yield start, line.decode()
                start += len(line)


_MARK = "gitops-tests-mark"
_COMPLETE = '"stage":"ResponseComplete"'


def _request(event: dict[str, Any]) -> Request:
    about = event.get("objectRef", {})
    resource = about.get("resource") or event["requestURI"].split("?")[0]
    if about.get("subresource"):
        resource += f"/{about['subresource']}"
    return Request(
        id=event["auditID"],
        verb=event["verb"],
        resource=resource,
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        user=event["user"].get("username", ""),
        agent=event.get("userAgent", ""),
        uri=event["requestURI"],
        code=event.get("responseStatus", {}).get("code") if event["stage"] != LASTING else None,
    )
