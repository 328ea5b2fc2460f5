"""Lines of containers as they come, each container's from a thread of its own, in one queue."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Self

from gitops_cli.errors import GitopsError

if TYPE_CHECKING:
    from gitops_cli.adapters.kubernetes.client import Client

MOST_WAITING = 1000
"""Lines that wait for a slow reader; then the cluster keeps the rest."""
SILENT_SECONDS = 3600.0
_LOOK_AGAIN = 0.2


class Following:
    """Follows the output of some containers. Used with `with`: at its end no thread takes another line."""

    def __init__(self, client: Client, namespace: str) -> None:
        """Follow nothing yet."""
        self._client = client
        self._namespace = namespace
        self._lines = queue.Queue[tuple[str, str]](MOST_WAITING)
        self._threads: dict[tuple[str, str, int], threading.Thread] = {}
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let the threads end. One that waits for the server ends with its connection, or with us."""
        self._stop.set()

    def add(self, pod: str, container: str, *, run: int = 0, tail: int | None = None) -> None:
        """Follow one more container, from its last lines on (None: from its first); each `run` of it once."""
        if (pod, container, run) not in self._threads:
            arguments = (pod, container, tail)
            thread = threading.Thread(target=self._read, args=arguments, name=f"logs-{pod}", daemon=True)
            self._threads[pod, container, run] = thread
            thread.start()

    def take(self, seconds: float) -> list[tuple[str, str]]:
        """Give what has come, as (pod, line), hostile; wait that long for the first."""
        found: list[tuple[str, str]] = []
        try:
            found.append(self._lines.get(timeout=seconds) if seconds > 0 else self._lines.get_nowait())
            while len(found) < MOST_WAITING:
                found.append(self._lines.get_nowait())
        except queue.Empty:
            pass
        return found

    @property
    def ended(self) -> bool:
        """Say whether every output has come to its end and was taken."""
        return self._lines.empty() and not any(thread.is_alive() for thread in self._threads.values())

    def _read(self, pod: str, container: str, tail: int | None) -> None:
        try:
            lines = self._client.logs(
                self._namespace, pod, container=container, follow=True, tail=tail, timeout=SILENT_SECONDS
            )
            for line in lines:
                if not self._put(pod, line):
                    return
        except GitopsError:
            return  # what became of the container is told by the pod, not by its output

    def _put(self, pod: str, line: str) -> bool:
        while not self._stop.is_set():
            try:
                self._lines.put((pod, line), timeout=_LOOK_AGAIN)
            except queue.Full:
                continue
            return True
        return False
