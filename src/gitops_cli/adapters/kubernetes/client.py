"""One API server, as the rest of the program uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from gitops_cli.adapters.kubernetes import podlogs, pool, reading, services, writing
from gitops_cli.adapters.kubernetes.access import access_of
from gitops_cli.adapters.kubernetes.discovery import Kinds
from gitops_cli.adapters.kubernetes.mirror import Mirror
from gitops_cli.adapters.kubernetes.problems import OBJECT, ApiProblem, decoded
from gitops_cli.adapters.kubernetes.reading import seen_of
from gitops_cli.adapters.kubernetes.watching import Event, Watch, Watched
from gitops_cli.adapters.kubernetes.wire import JSON, PATIENCE, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from gitops_cli.adapters.kubernetes.access import Access, Where
    from gitops_cli.adapters.kubernetes.objects import Kind, Seen
    from gitops_cli.errors import GitopsError

__all__ = ["Client", "Event", "Mirror", "Watch", "Watched", "seen_of"]

T = TypeVar("T")


class Client:
    """Reads, applies and watches. Safe to use from many threads; connects when first used.

    Raises `ApiProblem` when the server says no, `Unavailable` when it cannot be reached or trusted,
    `AnswerLost` (an `Unavailable`) when it is not known whether a request was done.
    """

    def __init__(
        self,
        access: Access,
        *,
        state: Path,
        manager: str = "gitops",
        patience: float = PATIENCE,
        renew: Callable[[], Access] | None = None,
    ) -> None:
        """`state` is the environment's folder, for what is cached; `manager` is the field manager.

        `patience` is how many seconds a request is tried again; `renew` reads the credential anew when the
        server does not accept it.
        """
        self.state = state
        self.manager = manager
        self.wire = Wire(access, patience=patience, renew=renew)
        self._kinds = Kinds(self.wire, state / "discovery.json")

    @classmethod
    def to(cls, where: Where, *, state: Path, manager: str = "gitops", patience: float = PATIENCE) -> Client:
        """Make a client for the cluster that remote.yaml names. Raises `Unavailable`."""
        access = access_of(where, state)

        def renew() -> Access:
            return access_of(where, state, fresh=True)

        return cls(access, state=state, manager=manager, patience=patience, renew=renew)

    @property
    def access(self) -> Access:
        """How the server is reached."""
        return self.wire.access

    @property
    def sent(self) -> int:
        """How many requests were sent so far, those tried again included."""
        return self.wire.sent

    def request(  # noqa: PLR0913 - the parts of a request, by name
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = 30.0,
        again: bool | None = None,
    ) -> dict[str, Any]:
        """Send any request and give its answer; `again`: it may be sent twice (None: GET and PATCH)."""
        answer = self.wire.send(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            timeout=timeout,
            again=again,
        )
        return decoded(answer, OBJECT)

    def kinds(self) -> Kinds:
        """Give what the server has: from the cache, or asked for when a kind is missing there."""
        return self._kinds

    def list_seen(self, kind: Kind, namespace: str, *, selector: str = "") -> list[Seen]:
        """Give the metadata of all objects of a kind that carry the labels: one request for 5,000."""
        return reading.list_seen(self.wire, kind, namespace, selector=selector)

    def list_full(
        self, kind: Kind, namespace: str, *, selector: str = "", fields: str = ""
    ) -> tuple[list[dict[str, Any]], str]:
        """Give whole objects, and the resourceVersion to watch from."""
        return reading.list_full(self.wire, kind, namespace, selector=selector, fields=fields)

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """Give one object; None when there is none."""
        try:
            return self.request("GET", kind.path(namespace, name))
        except ApiProblem as problem:
            if problem.is_missing:
                return None
            raise

    def apply(  # noqa: PLR0913 - what the API offers, by name
        self,
        kind: Kind,
        namespace: str,
        body: dict[str, Any],
        *,
        dry_run: bool = False,
        force: bool = False,
        manager: str = "",
    ) -> dict[str, Any]:
        """Apply an object on the server's side, as our field manager or another; give what it is then.

        Sent again when the answer is lost: an apply that came through twice is the same as one.
        """
        who = manager or self.manager
        return writing.apply(self.wire, kind, namespace, body, manager=who, dry_run=dry_run, force=force)

    def create(
        self, kind: Kind, namespace: str, body: dict[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Create an object; give what it is then.

        When an answer was lost, an object of that name with our labels and hash is the one. An object of the
        same release (label `gitops-cli/release`) that is there already is given as it is; a dry run says
        AlreadyExists for any.
        """
        return writing.create(self.wire, kind, namespace, body, manager=self.manager, dry_run=dry_run)

    def delete(  # noqa: PLR0913 - what the API offers, by name
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        dry_run: bool = False,
        propagation: str = "Background",
    ) -> bool:
        """Delete one object; False when it was not there, or another one (`uid`) is in its place.

        Without a uid it is never sent twice: a lost answer is then `AnswerLost`.
        """
        return writing.delete(
            self.wire, kind, namespace, name, uid=uid, dry_run=dry_run, propagation=propagation
        )

    def watch(  # noqa: PLR0913 - what the API offers, by name
        self,
        kind: Kind,
        namespace: str,
        *,
        selector: str = "",
        fields: str = "",
        since: str = "",
        metadata_only: bool = False,
        seconds: int = 60,
    ) -> Watch:
        """Give what happens from a resourceVersion on, for `seconds`: `for event in client.watch(…):`.

        Raises `Gone` when the version is too old (list again) and `AnswerLost` when the connection breaks
        (watch again from the last event's version); a `Mirror` does both by itself.
        """
        wanted = Watched(kind, namespace, selector, fields, metadata_only)
        return Watch(self.wire, wanted, since=since, seconds=seconds)

    def mirror(self, wanted: Iterable[Watched]) -> Mirror:
        """Keep a live copy of some kinds, by one watch each: `with client.mirror([...]) as mirror:`."""
        return Mirror(self.wire, wanted)

    def logs(  # noqa: PLR0913 - what the API offers, by name
        self,
        namespace: str,
        pod: str,
        *,
        container: str = "",
        follow: bool = False,
        tail: int | None = 20,
        previous: bool = False,
        times: bool = False,
        timeout: float = 30.0,
    ) -> Iterator[str]:
        """Give lines of a container's output, not escaped; with `follow` until it ends.

        `timeout` is how long it may be silent. A container that waits to start is an `ApiProblem` (400).
        """
        return podlogs.logs(
            self.wire,
            namespace,
            pod,
            container=container,
            follow=follow,
            tail=tail,
            previous=previous,
            times=times,
            timeout=timeout,
        )

    def service_answers(
        self, namespace: str, service: str, port: int | str, path: str, *, timeout: float
    ) -> tuple[int, str]:
        """GET a page of a Service through the API server; (0, reason) when nothing stands behind it.

        Needs the right `get services/proxy`.
        """
        return services.answers(self.wire, namespace, service, port, path, timeout=timeout)

    def together(self, calls: Iterable[Callable[[], T]]) -> list[T | GitopsError]:
        """Make calls, 16 in flight; give what each returned, or its error, in their order.

        When one finds the server gone, no further one begins and the rest have the same error.
        """
        return pool.together(calls, hurry=self.wire.hurry)

    def close(self) -> None:
        """Close the connections."""
        self.wire.close()
