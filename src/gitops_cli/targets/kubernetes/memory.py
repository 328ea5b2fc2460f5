"""What one look at the cluster cannot tell: how long something has been so, how many pulls have failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.targets.kubernetes.verdicts import pull_failed, statuses

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from gitops_cli.targets.kubernetes.readiness import Body


class Memory:
    """Kept for one wait. Times are of our own monotonic clock: no cluster's clock is trusted."""

    def __init__(self) -> None:
        """Know nothing."""
        self._since: dict[Hashable, float] = {}
        self._met: set[Hashable] = set()
        self._pulls: dict[str, dict[str, int]] = {}
        self._pulling: set[tuple[str, str]] = set()

    def look(self, pods: Iterable[Body]) -> None:
        """Begin a look. What was not met in the last one is over and is forgotten."""
        self._since = {key: since for key, since in self._since.items() if key in self._met}
        self._met = set()
        for pod in pods:
            self._count(pod)

    def age(self, key: Hashable, now: float) -> float:
        """Say for how many seconds, look after look, something has been so."""
        self._met.add(key)
        return now - self._since.setdefault(key, now)

    def pulls(self, pod: Body) -> Mapping[str, int]:
        """Give the number of failed pulls that were seen, by container."""
        return self._pulls.get(pod["metadata"]["uid"], {})

    def _count(self, pod: Body) -> None:
        """Count a pull when its failure appears: between two of them the kubelet shows its pause."""
        uid = pod["metadata"]["uid"]
        for status in statuses(pod):
            name = str(status.get("name"))
            counts = self._pulls.setdefault(uid, {})
            if not pull_failed(status):
                self._pulling.discard((uid, name))
                reason = ((status.get("state") or {}).get("waiting") or {}).get("reason")
                if reason == "ImagePullBackOff":  # one has failed, seen or not
                    counts.setdefault(name, 1)
            elif (uid, name) not in self._pulling:
                self._pulling.add((uid, name))
                counts[name] = counts.get(name, 0) + 1
