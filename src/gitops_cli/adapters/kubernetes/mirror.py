"""A live copy of some kinds: one list, then one watch each, in threads of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from gitops_cli.adapters.kubernetes.problems import AnswerLost, Gone
from gitops_cli.adapters.kubernetes.reading import list_full
from gitops_cli.adapters.kubernetes.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitops_cli.adapters.kubernetes.objects import Kind
    from gitops_cli.adapters.kubernetes.watching import Event, Watched
    from gitops_cli.adapters.kubernetes.wire import Wire

_SECONDS = 240
"""How long one watch lasts before the next goes on where it was."""
_LAST = 2.0
_PAUSE = 0.2
"""Between a watch that broke and the next."""


class Mirror:
    """What is on the server now, without asking again.

    Used as `with client.mirror(wanted) as mirror:`; then `mirror.wait(seconds)` until something changed, and
    `mirror.of(kind)`. A broken watch goes on where it was, a version that is too old lists again: who reads
    the copy sees no difference.
    """

    def __init__(self, wire: Wire, wanted: Iterable[Watched]) -> None:
        """Ask nothing yet; entering lists everything and raises `ApiProblem` and `Unavailable`."""
        self._news = threading.Condition()
        self._changed = False
        self._problem: BaseException | None = None
        self._copies = [_Copy(wire, one, self._change, self._end) for one in wanted]

    def __enter__(self) -> Self:
        for copy in self._copies:
            copy.list()
        for copy in self._copies:
            copy.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the watches."""
        for copy in self._copies:
            copy.stop()
        for copy in self._copies:
            copy.thread.join(_LAST)  # one that waits for a server that says nothing ends by itself

    def of(self, kind: Kind) -> list[dict[str, Any]]:
        """Give the objects of a kind, by namespace and name."""
        with self._news:
            copies = [copy for copy in self._copies if copy.wanted.kind == kind]
            return [copy.objects[name] for copy in copies for name in sorted(copy.objects)]

    def wait(self, seconds: float) -> bool:
        """Wait until something changed since the last call; False when nothing did in that time.

        Raises what ended a watch for good: `ApiProblem` (a right was taken away) or `Unavailable`.
        """
        with self._news:
            self._news.wait_for(lambda: self._changed or self._problem is not None, seconds)
            if self._problem is not None:
                raise self._problem
            changed, self._changed = self._changed, False
            return changed

    def _change(self, change: Callable[[], None]) -> None:
        """Let a watch change its copy while nobody reads."""
        with self._news:
            change()
            self._changed = True
            self._news.notify_all()

    def _end(self, problem: BaseException) -> None:
        with self._news:
            self._problem = problem
            self._news.notify_all()


class _Copy:
    """The objects of one kind, and the thread that keeps them."""

    def __init__(
        self,
        wire: Wire,
        wanted: Watched,
        change: Callable[[Callable[[], None]], None],
        end: Callable[[BaseException], None],
    ) -> None:
        self.wanted = wanted
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.thread = threading.Thread(target=self._run, name=f"watch-{wanted.kind.plural}", daemon=True)
        self._wire = wire
        self._change = change
        self._end = end
        self._since = ""
        self._stopped = threading.Event()
        self._watch: Watch | None = None
        self._lock = threading.Lock()

    def list(self) -> None:
        """Take everything anew."""
        one = self.wanted
        found, since = list_full(
            self._wire,
            one.kind,
            one.namespace,
            selector=one.selector,
            fields=one.fields,
            metadata_only=one.metadata_only,
        )
        new = {_name(body): body for body in found}

        def replace() -> None:
            self.objects, self._since = new, since

        self._change(replace)

    def stop(self) -> None:
        """End the thread, also while it reads."""
        self._stopped.set()
        with self._lock:
            if self._watch:
                self._watch.close()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._follow()
        except BaseException as error:  # noqa: BLE001 - raised by `wait`, in the thread that reads the copy
            if not self._stopped.is_set():
                self._end(error)

    def _follow(self) -> None:
        try:
            watch = Watch(self._wire, self.wanted, since=self._since, seconds=_SECONDS, stop=self._stopped)
            with self._lock:
                self._watch = watch
            if self._stopped.is_set():
                watch.close()
            for event in watch:
                self._take(event)
        except Gone:
            self.list()
        except AnswerLost:
            self._stopped.wait(_PAUSE)

    def _take(self, event: Event) -> None:
        if event.type == "BOOKMARK":
            self._since = event.resource_version
            return

        def change() -> None:
            name = _name(event.object)
            if event.type == "DELETED":
                self.objects.pop(name, None)
            else:
                self.objects[name] = event.object
            self._since = event.resource_version

        self._change(change)


def _name(body: dict[str, Any]) -> tuple[str, str]:
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
