"""Wait until a set is what it was asked to be, or say at once why it cannot become so.

One LIST a kind; only when something is not ready yet, one watch a kind, one for pods and one for ReplicaSets.
What no watch tells (why pods are not made or mounted) is asked for the object that is stuck, in events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from gitops_cli.adapters import clock
from gitops_cli.errors import Unhealthy
from gitops_cli.targets.kubernetes.lastlines import last_lines, talking
from gitops_cli.targets.kubernetes.looking import Looker, makes_pods
from gitops_cli.targets.kubernetes.memory import Memory
from gitops_cli.targets.kubernetes.pods import found, ready, replaced
from gitops_cli.targets.kubernetes.progress import Progress
from gitops_cli.targets.kubernetes.readiness import waits
from gitops_cli.targets.kubernetes.stuck import Asker
from gitops_cli.targets.kubernetes.verdicts import Doom, doom

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitops_cli.adapters.kubernetes.client import Client, Mirror
    from gitops_cli.adapters.kubernetes.objects import Key
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.targets.kubernetes.looking import Stand
    from gitops_cli.targets.kubernetes.readiness import Body, Why
    from gitops_cli.targets.kubernetes.rendering import Rendered

TICK = 0.5
"""Seconds between two looks when nothing happens: how late a reason that must last is seen to have lasted."""
BARS = 10.0
"""Seconds for which an unwanted pod may be on its way to be ready, when nothing else is going on."""
CODES: dict[Why, str] = {
    "config": "kubernetes.config",
    "crash-loop": "kubernetes.crash-loop",
    "deadline": "kubernetes.deadline",
    "failed": "kubernetes.failed",
    "image": "kubernetes.image",
    "quota": "kubernetes.quota",
    "unschedulable": "kubernetes.unschedulable",
}
NEXT = "mend it, commit and push again"


def wait(  # noqa: PLR0913 - all but the first three by name
    client: Client,
    namespace: str,
    objects: Sequence[Rendered],
    *,
    timeout: float,
    unschedulable: float,
    watch: Watcher,
) -> str:
    """Wait for all of them and give one line. Raises `Unhealthy`; a pod's last lines go to `watch` first.

    `unschedulable`: seconds for which no node may have room for a pod.
    """
    waited = [rendered for rendered in objects if waits(rendered.body)]
    looker = Looker(client, namespace, waited)
    if not looker.all_ready():
        judge = _Judge(client, namespace, unschedulable, watch)
        with client.mirror(looker.watched()) as mirror:
            _until_ready(looker, mirror, judge, timeout, Progress(watch))
    count = sum(map(makes_pods, waited))
    what, number = ("workload", count) if count else ("object", len(objects))
    return f"{number} {what}{'s'[: number != 1]} ready"


def _until_ready(looker: Looker, mirror: Mirror, judge: _Judge, timeout: float, progress: Progress) -> None:
    deadline = clock.monotonic() + timeout
    while True:
        now = clock.monotonic()
        pending = judge.still_pending(looker.look(mirror), now)
        if not pending:
            return
        if now >= deadline:
            judge.late(pending, timeout)
        progress.tell(pending, now)
        mirror.wait(min(TICK, deadline - now))


class _Judge:
    """Decides, look after look, what can still become ready."""

    def __init__(self, client: Client, namespace: str, unschedulable: float, watch: Watcher) -> None:
        self._client = client
        self._namespace = namespace
        self._unschedulable = unschedulable
        self._watch = watch
        self._memory = Memory()
        self._asker = Asker(client, namespace, self._memory)
        self._freed: set[str] = set()
        self._ending: dict[Key, float] = {}
        """Seconds for which pods of a workload were about to go."""

    def still_pending(self, pending: list[Stand], now: float) -> list[Stand]:
        """Give those that need more time. Raises `Unhealthy` for one that no time will help."""
        self._memory.look(pod for stand in pending for pod in (*stand.pods, *stand.older))
        for stand in pending:
            self._free(stand, now)
            for reason in self._reasons(stand, now):
                holds = reason.holds + (self._room(stand, now) if reason.why == "quota" else 0.0)
                about = (stand.rendered.key, reason.why, reason.pod, reason.container)
                if self._memory.age(about, now) >= holds:
                    raise Unhealthy(self._told(stand, reason), code=CODES[reason.why], next_command=NEXT)
        if any(stand.rendered.key.kind != "PersistentVolumeClaim" for stand in pending):
            return pending
        return [stand for stand in pending if not self._asker.waits_for_a_pod(stand, now)]

    def _room(self, stand: Stand, now: float) -> float:
        """Say for how much longer a full quota may hold pods up, as others of the workload make room.

        A controller that was refused waits longer each time, at most about as long again as it has waited.
        """
        key = stand.rendered.key
        if stand.ending:
            self._ending[key] = self._memory.age(("ending", key), now)
            return float("inf")
        return 2 * self._ending.get(key, 0.0)

    def _free(self, stand: Stand, now: float) -> None:
        """Delete the pods of a StatefulSet's unwanted version that bar it: its controller waits for them.

        (Kubernetes calls it "forced rollback".) So a version that failed can be replaced, and taken back.
        One that runs and is not ready bars it too, once every pod of the wanted version is ready.
        """
        if stand.rendered.key.kind != "StatefulSet":
            return
        quiet = not stand.ending and all(map(ready, stand.pods))
        for pod in replaced(stand.body, stand.older):
            uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
            if uid in self._freed or ready(pod):
                continue
            waited = self._memory.age(("barred", uid), now) if quiet else 0.0
            if self._doom(stand, pod) is not None or waited >= BARS:
                self._freed.add(uid)
                self._client.delete(found(self._client, "v1", "Pod"), self._namespace, name, uid=uid)

    def _doom(self, stand: Stand, pod: Body) -> Doom | None:
        return doom(
            pod,
            pulls=self._memory.pulls(pod),
            unschedulable=self._unschedulable,
            restarts=stand.rendered.key.kind != "Job",
        )

    def _reasons(self, stand: Stand, now: float) -> Iterator[Doom]:
        """Give why it cannot become ready: its pods' reasons first, they say more than its own."""
        for pod in stand.pods:
            if not ready(pod) and (reason := self._doom(stand, pod)) is not None:
                yield reason
        if stand.verdict.state == "failed":
            yield Doom(why=stand.verdict.why, reason=stand.verdict.reason, holds=stand.verdict.holds)
        elif stand.body is not None and (told := self._asker.doom(stand.body, stand.pods, now)) is not None:
            yield told

    def _told(self, stand: Stand, reason: Doom) -> str:
        """Show the last lines of the pod and give the sentence."""
        pod, container = talking(stand.pods, reason.pod, reason.container)
        lines = last_lines(self._client, self._namespace, pod, container) if pod else []
        for line in lines:
            self._watch.says(f"{stand.name}: {line}")
        last = next((line for line in reversed(lines) if line.strip()), "")
        where = f", pod {reason.pod}" if reason.pod and stand.rendered.key.kind != "Pod" else ""
        where += f", container {reason.container}" if reason.container not in ("", stand.name) else ""
        said = f", its last line: {last}" if last else ""
        return f"{stand.rendered.key.title()}{where}: {reason.reason}{said}"

    def late(self, pending: list[Stand], timeout: float) -> NoReturn:
        """Say what was not ready in time and what the cluster says about it. Raises `Unhealthy`."""
        first = next((stand for stand in pending if stand.is_workload), pending[0])
        more = f" (and {len(pending) - 1} more)" if len(pending) > 1 else ""
        why = self._asker.explain(first) or first.verdict.reason
        reason = f"not ready within {timeout:g} s{more}: {why}"
        raise Unhealthy(
            self._told(first, Doom(why="not-ready", reason=reason)),
            code="kubernetes.not-ready",
            next_command=NEXT,
        )
