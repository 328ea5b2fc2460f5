"""Jobs and checks: a command of a service, run once as a Job of the cluster.

The Job is named after the release, and its name is noted before it is made. Killed anywhere, the release
leaves at most this one Job: whoever undoes it finds it by the note (`remove`) or by its labels (`clean`). The
cluster itself ends it at its deadline and removes it minutes after its end.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, NoReturn

from gitops_cli.adapters import clock
from gitops_cli.adapters.kubernetes.client import Watched
from gitops_cli.errors import Failed, GitopsError, StepTimeout, Unavailable
from gitops_cli.targets.kubernetes.following import Following
from gitops_cli.targets.kubernetes.jobspec import JOB, RELEASE, job
from gitops_cli.targets.kubernetes.lastlines import LINES, MOST_LINE
from gitops_cli.targets.kubernetes.memory import Memory
from gitops_cli.targets.kubernetes.pods import found
from gitops_cli.targets.kubernetes.readiness import condition, judge, one_line
from gitops_cli.targets.kubernetes.rendering import selector
from gitops_cli.targets.kubernetes.stuck import Asker
from gitops_cli.targets.kubernetes.verdicts import doom, statuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitops_cli.adapters.kubernetes.client import Client, Mirror
    from gitops_cli.config.remote import KubernetesAt
    from gitops_cli.pipeline.protocol import Record, Watcher
    from gitops_cli.targets.kubernetes.readiness import Body
    from gitops_cli.targets.protocol import AppSet, Task

GONE_SECONDS = 60.0
"""How long a removed Job's pod may take to end."""
_LOOK_AGAIN = 0.2
_TRAILING_SECONDS = 5.0
"""How long to wait for the last lines of a container that has ended."""
_POD_OF = "batch.kubernetes.io/job-name"


def run_task(  # noqa: PLR0913 - all but the first five by name
    client: Client,
    namespace: str,
    task: Task,
    wanted: AppSet,
    at: KubernetesAt,
    *,
    record: Record,
    watch: Watcher,
    unschedulable: float,
) -> None:
    """Run it to its end; its output goes to `watch`. Raises `Failed`, `StepTimeout`, `Refused`.

    `unschedulable`: seconds for which no node may have room for its pod.
    """
    body = job(task, wanted, at)
    name = body["metadata"]["name"]
    kind, pods = found(client, "batch/v1", "Job"), found(client, "v1", "Pod")
    record.note(job=name)
    remove(client, namespace, [name])  # of an attempt that was killed; there is none in nearly all releases
    try:
        client.create(kind, namespace, body)
        watched = [
            Watched(kind, namespace, fields=f"metadata.name={name}"),
            Watched(pods, namespace, selector=f"{_POD_OF}={name}"),
        ]
        with client.mirror(watched) as mirror, Following(client, namespace) as following:
            run = _Run(client, namespace, task, following, watch, unschedulable)
            run.until_ended(lambda: (mirror.of(kind), mirror.of(pods)), mirror)
    finally:
        with contextlib.suppress(GitopsError):  # `clean` comes again, and the cluster itself
            client.delete(kind, namespace, name, propagation="Foreground")


def clean(client: Client, namespace: str, app: str, environment: str, *, release: int | None = None) -> int:
    """Remove Jobs of an environment's releases, or of one release, and wait until their pods have ended.

    Gives how many there were. Raises `Unavailable` for one whose pod does not end: it may still change data.
    """
    which = f"{selector(app, environment)},{JOB}" + (f",{RELEASE}={release}" if release is not None else "")
    left = client.list_seen(found(client, "batch/v1", "Job"), namespace, selector=which)
    remove(client, namespace, [seen.key.name for seen in left])
    return len(left)


def remove(client: Client, namespace: str, names: Iterable[str]) -> None:
    """Remove Jobs and wait until they are gone, which they are when their pods are.

    Raises `Unavailable` for one whose pod does not end: it may still change data.
    """
    kind = found(client, "batch/v1", "Job")
    waiting = [n for n in names if client.delete(kind, namespace, n, propagation="Foreground")]
    deadline = clock.monotonic() + GONE_SECONDS
    while waiting := [name for name in waiting if client.get(kind, namespace, name) is not None]:
        if clock.monotonic() > deadline:
            raise Unavailable(
                f"the pod of the Job {waiting[0]} does not end",
                code="kubernetes.task-remains",
                next_command="gitops recover",
            )
        clock.pause(_LOOK_AGAIN)


class _Run:
    """One run, watched to its end."""

    def __init__(  # noqa: PLR0913, PLR0917 - one run's parts
        self,
        client: Client,
        namespace: str,
        task: Task,
        following: Following,
        watch: Watcher,
        unschedulable: float,
    ) -> None:
        self._task = task
        self._following = following
        self._watch = watch
        self._unschedulable = unschedulable
        self._memory = Memory()
        self._asker = Asker(client, namespace, self._memory)
        self._last = deque[str](maxlen=LINES)

    def until_ended(self, look: Callable[[], tuple[list[Body], list[Body]]], mirror: Mirror) -> None:
        """Show what it prints until it has ended; `look` gives Job and pod. Raises `Failed`."""
        deadline = clock.monotonic() + self._task.timeout
        while True:
            now = clock.monotonic()
            jobs, pods = look()
            self._follow(pods)
            if self._ended(jobs, pods):
                return
            self._refuse_hopeless(jobs, pods, now)
            if now >= deadline:
                self._late()
            if not self._tell(0):
                mirror.wait(min(_LOOK_AGAIN, deadline - now))

    def _follow(self, pods: Iterable[Body]) -> None:
        for pod in pods:
            for status in statuses(pod):
                if "waiting" not in (status.get("state") or {"waiting": {}}):
                    self._following.add(pod["metadata"]["name"], str(status["name"]))

    def _ended(self, jobs: list[Body], pods: list[Body]) -> bool:
        """Say whether it ended well. The pod knows it a second before the Job; it runs only once."""
        phases = {(pod.get("status") or {}).get("phase"): pod for pod in pods}
        if "Succeeded" in phases:
            self._tell_rest()
            return True
        if "Failed" in phases and condition(phases["Failed"], "DisruptionTarget").get("status") != "True":
            self._failed(phases["Failed"])
        for body in jobs:
            verdict = judge(body)
            if verdict.state == "ready":
                self._tell_rest()
                return True
            if verdict.state == "failed":
                ends = [condition(body, name).get("reason") for name in ("Failed", "FailureTarget")]
                if "DeadlineExceeded" in ends:
                    self._late()
                self._fail(f"did not run: {verdict.reason}")
        return False

    def _failed(self, pod: Body) -> NoReturn:
        status = pod.get("status") or {}
        if status.get("reason") == "DeadlineExceeded":
            self._late()
        ends = [(s.get("state") or {}).get("terminated") or {} for s in statuses(pod)]
        end = next((end for end in ends if end.get("exitCode")), {})
        if not end:
            self._fail(f"did not run: {one_line(str(status.get('message') or 'its pod failed'))}")
        why = str(end.get("reason") or "")
        self._fail(f"ended with {end['exitCode']}" + (f" ({why})" if why not in ("", "Error") else ""))

    def _refuse_hopeless(self, jobs: list[Body], pods: list[Body], now: float) -> None:
        self._memory.look(pods)
        reasons = [
            doom(pod, pulls=self._memory.pulls(pod), unschedulable=self._unschedulable, restarts=False)
            for pod in pods
        ]
        reasons += [self._asker.doom(body, pods, now) for body in jobs]
        for reason in reasons:
            if reason is not None and self._memory.age((reason.why, reason.pod), now) >= reason.holds:
                self._fail(f"cannot run: {reason.reason}")

    def _late(self) -> NoReturn:
        self._tell(0)
        raise StepTimeout(
            f"{self._task.name} did not end within {self._task.timeout:g} s", code="kubernetes.task-timeout"
        )

    def _fail(self, reason: str) -> NoReturn:
        self._tell_rest()
        last = next((line for line in reversed(self._last) if line.strip()), "")
        raise Failed(
            f"{self._task.name} {reason}" + (f", its last line: {last}" if last else ""),
            code="kubernetes.task-failed",
        )

    def _tell(self, seconds: float) -> int:
        lines = self._following.take(seconds)
        for _, line in lines:
            cut = line[:MOST_LINE]
            self._last.append(cut)
            self._watch.says(f"{self._task.name}: {cut}")
        return len(lines)

    def _tell_rest(self) -> None:
        deadline = clock.monotonic() + _TRAILING_SECONDS
        while not self._following.ended and clock.monotonic() < deadline:
            self._tell(_LOOK_AGAIN)
