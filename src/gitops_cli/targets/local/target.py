"""The embedded target. What a crash leaves stands beside each method: the inventory decides."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters import clock, web
from gitops_cli.errors import GitopsError, Unavailable, Unhealthy
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.targets.local import inventory, reading
from gitops_cli.targets.local.checks import check_set
from gitops_cli.targets.local.client import Supervisor, place_of
from gitops_cli.targets.local.compile import compile_set, images
from gitops_cli.targets.local.housekeeping import tidy
from gitops_cli.targets.local.images import prepare_images
from gitops_cli.targets.local.inventory import UNHEARD, Inventory, SetSpec
from gitops_cli.targets.local.secrets import Store
from gitops_cli.targets.local.tasks import container_for, run_task
from gitops_cli.targets.memory import Memory
from gitops_cli.targets.protocol import Door, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from gitops_cli.adapters.git.repo import Repo
    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.sandbox import Level
    from gitops_cli.pipeline.protocol import Record, Watcher
    from gitops_cli.targets.protocol import AppSet, Live, Task

RETIRE_SECONDS = 2.0
"""How long `retire` waits for the old set to end; the supervisor goes on by itself."""
PUT_BACK_SECONDS = 30.0
"""How long `put_back` waits for the old set to be ready again; the supervisor goes on by itself."""
STEP_SECONDS = 5.0
GUARD_SECONDS = 5.0
"""Between two looks at whether the supervisor lives."""
MOST_GRACE = 60.0


class LocalTarget:
    """Processes of this machine under one supervisor for each environment."""

    name = "local"

    def __init__(  # noqa: PLR0913 - all but the first two by name
        self,
        home: Home,
        environment: str,
        *,
        repo: Repo,
        level: Level,
        rollout_timeout: float = 120.0,
        secrets: Callable[[str, str], str | None] | None = None,
    ) -> None:
        """`rollout_timeout` in seconds. `secrets` answers before the operator's store (jobs, checks)."""
        self._home = home
        self._environment = environment
        self._repo = repo
        self._level = level
        self._timeout = rollout_timeout
        self._folder = home.local(environment)
        self._store = Store(home, environment, secrets)
        self._supervisor = Supervisor(home, environment, level)

    def live(self, *, ask: bool = False) -> Live:
        """Say what runs now; works with a dead supervisor too."""
        del ask  # the supervisor is asked always: it is near
        return reading.live(self._folder, self._supervisor)

    def plan(self, wanted: AppSet) -> Sequence[str]:
        """Compare with what serves."""
        return reading.plan(self._folder, compile_set(wanted, self._repo, self._home, key="plan"))

    def foresee(self, wanted: AppSet, watch: Watcher) -> None:
        """Foresee nothing: what this machine cannot run, `check` refuses."""

    def overlap(self, wanted: AppSet) -> Sequence[str]:
        """Name nothing: a forwarder goes over at one moment, and what the old version still does is short."""
        del wanted
        return ()

    def check(self, wanted: AppSet) -> None:
        """Refuse what processes of one machine cannot be. Raises `BadInput`, `Refused`."""
        found = images(wanted, self._repo, self._home)
        check_set(
            compile_set(wanted, self._repo, self._home, key="check"), found, wanted.manifests, self._store
        )

    def prepare(self, wanted: AppSet, record: Record, watch: Watcher) -> str:
        """Fill the caches. A crash leaves a part that has no mark of completeness: it is made again."""
        del record
        return prepare_images(wanted, self._repo, self._home, self._level, watch)

    def libraries(self, wanted: AppSet) -> Sequence[str]:
        """Name the folders of the Python dependencies, of each service one."""
        found = images(wanted, self._repo, self._home)
        return [image.dependencies for image in found.values() if image.plan.kind == "python"]

    def apply(
        self, wanted: AppSet, record: Record, watch: Watcher, *, first: Callable[[], None] = nothing
    ) -> None:
        """Start the set beside what serves; jobs need nothing but the commit.

        Killed before the note: nothing has happened. After the note: `put_back` finds no such set.
        After the inventory: the supervisor (a new one, if that died too) runs the candidate until `put_back`.
        """
        first()
        found = inventory.load(self._folder)
        key = str(record.facts.get("set") or "")
        if not key or found.find(key) is None:
            key = inventory.new_key(wanted.release)
            record.note(before=found.serving.key if found.serving else "", set=key)
            spec = compile_set(wanted, self._repo, self._home, key=key)
            inventory.save(self._folder, Inventory(serving=found.serving, candidate=spec))
        self._obey()
        count = len((inventory.load(self._folder).find(key) or _EMPTY).workloads)
        watch.says(f"starting {count} workload{'s'[: count != 1]}")

    def wait(self, wanted: AppSet, record: Record, watch: Watcher) -> str:
        """Wait until all is ready, then let the forwarders go over.

        Killed before the inventory is written: the old set serves. After it: the new one does, and a
        supervisor that has not heard of it reads it when `put_back` or `heal` speaks to it.
        """
        del wanted
        key = str(record.facts.get("set") or "")
        began = clock.monotonic()
        candidate = inventory.load(self._folder).find(key) or _EMPTY
        longest = max((float(w.deadline) for w in candidate.workloads), default=self._timeout)
        found = self._ready(key, began, min(self._timeout, longest), watch)
        now = inventory.load(self._folder)
        if now.candidate is not None and now.candidate.key == key:
            inventory.save(self._folder, Inventory(serving=now.candidate, parked=now.serving))
        self._obey()
        count = len(found.get("processes", ()))
        urls = ", ".join(self.live().urls.values())
        return f"{count} process{'es'[: 2 * (count != 1)]} ready" + (f", {urls}" if urls else "")

    def _ready(self, key: str, began: float, seconds: float, watch: Watcher) -> dict[str, Any]:
        """Ask until the set is ready. Raises `Unhealthy`; its last lines go to `watch` first."""
        while True:
            left = began + seconds - clock.monotonic()
            found = self._supervisor.ask_if_alive("wait", set=key, seconds=max(min(left, STEP_SECONDS), 0.1))
            if found.get("ready"):
                return found
            if found.get("doomed"):
                raise _doomed(found["doomed"], watch)
            if left <= 0:
                raise _late(found, seconds, watch)
            if not found:
                self._obey()

    def run(self, task: Task, wanted: AppSet, record: Record, watch: Watcher) -> None:
        """Run a command with the new version's files. It dies with us. Raises `Failed`, `StepTimeout`."""
        found = images(wanted, self._repo, self._home)
        spec = compile_set(wanted, self._repo, self._home, key="task")
        self._store.project = wanted.project.name
        place = place_of(self._home, self._environment, self._level)
        services = reading.services(self._folder, spec)
        run_task(
            task, container_for(task, spec, found), place, self._store, services, record=record, watch=watch
        )

    def answers(self, service: str, path: str, *, timeout: float) -> tuple[int, str] | None:
        """Ask a service at the stable port of the Service that leads to it. Raises `Failed`."""
        url = reading.asked(self._folder, inventory.load(self._folder).serving, service)
        return web.answers(url.rstrip("/") + path, timeout=timeout) if url else None

    def put_back(self, record: Record) -> None:
        """Let what ran before serve again. It works from any process, any number of times."""
        key = str(record.facts.get("set") or "")
        found = inventory.load(self._folder)
        if not key or found.find(key) is None:
            self._settle_back(found)
            return
        before = found.find(str(record.facts.get("before") or ""))
        back = Inventory(serving=before)
        inventory.save(self._folder, back)
        self._settle_back(back)

    def _settle_back(self, wanted: Inventory) -> None:
        """Make the inventory so and wait until nothing of another set runs."""
        if not wanted.sets:
            self._supervisor.stop(grace=MOST_GRACE)
            return
        self._obey()
        self._supervisor.ask_if_alive("settle", seconds=MOST_GRACE)
        if wanted.serving is not None:
            self._supervisor.ask_if_alive("wait", set=wanted.serving.key, seconds=PUT_BACK_SECONDS)

    def retire(self, record: Record) -> None:
        """End what was replaced. The supervisor ends it when its last connection has ended."""
        del record
        found = inventory.load(self._folder)
        if found.parked is not None or found.candidate is not None:
            inventory.save(self._folder, Inventory(serving=found.serving))
        if found.serving is not None:
            self._obey()
            self._supervisor.ask_if_alive("settle", seconds=RETIRE_SECONDS)
        tidy(self._home, self._environment)

    def heal(self, wanted: AppSet | None, *, insist: bool = True) -> Sequence[str]:
        """Make what runs equal to `wanted`: after a reboot, a killed supervisor, a lost state folder."""
        del insist  # nobody else starts processes here
        said: list[str] = []
        try:
            found = inventory.load(self._folder)
        except Unavailable as error:
            said.append(error.cause)
            found = Inventory()
            inventory.save(self._folder, found)
        if wanted is None:
            if found.sets or self._supervisor.identity() is not None:
                said.append("stopped what ran: nothing is released")
            self._clear()
            return said
        if found.serving is None or found.serving.tree != wanted.tree:  # another commit may have this tree
            return [*said, *self._replace(wanted)]
        return [*said, *self._revive(found, wanted)]

    def _clear(self) -> None:
        if inventory.load(self._folder).sets:
            inventory.save(self._folder, Inventory())
        self._supervisor.stop(grace=MOST_GRACE)

    def _replace(self, wanted: AppSet) -> list[str]:
        """Release a set without a push: what serves is not what the ref names."""
        record, watch = Memory(), SILENT
        self.prepare(wanted, record, watch)
        self.apply(wanted, record, watch)
        try:
            self.wait(wanted, record, watch)
        except GitopsError:
            self.put_back(record)
            raise
        self.retire(record)
        return [f"started release {wanted.release} ({wanted.commit[:7]})"]

    def _revive(self, found: Inventory, wanted: AppSet) -> list[str]:
        said: list[str] = []
        serving = found.serving or _EMPTY
        if len(found.sets) > 1:
            inventory.save(self._folder, Inventory(serving=serving))
            said.append("ended what an interrupted release had left")
        if reading.missing(serving):
            self.prepare(wanted, Memory(), SILENT)
            if reading.missing(serving):  # they were made elsewhere: the remote has been moved
                return [*said, *self._replace(wanted)]
            said.append("made the missing files of the release again")
        if self._supervisor.ensure():
            said.append(f"started the supervisor of {self._environment}")
        self._supervisor.ask_if_alive("reload")
        self._supervisor.ask_if_alive("settle", seconds=MOST_GRACE)
        self._ready(serving.key, clock.monotonic(), self._timeout, SILENT)
        return said

    def _obey(self) -> None:
        """Let the supervisor make the inventory so; a new one does it by itself."""
        if not self._supervisor.ensure():
            try:
                self._supervisor.ask("reload")
            except OSError:  # it died just now, or its socket was swept
                if not self._supervisor.ensure():
                    self._supervisor.ask_if_alive("reload")

    def guard(self, wake: Callable[[], None], stop: Event) -> None:
        """Look whether the supervisor lives: it looks after everything else."""
        while not stop.wait(GUARD_SECONDS):
            if inventory.load(self._folder).sets and self._supervisor.identity() is None:
                wake()

    def logs(self, service: str, *, follow: bool, lines: int) -> Iterator[str]:
        """Give what the processes of a service or workload printed. Hostile: whoever prints escapes."""
        return reading.logs(self._folder, service, follow=follow, lines=lines)

    @contextmanager
    def door(self, service: str) -> Iterator[Door | None]:
        """Give the stable port's URL."""
        urls = self.live().urls
        url = urls.get(service, "") if service else next(iter(urls.values()), "")
        yield Door(url, lasts=True) if url else None

    def stop(self) -> None:
        """Stop every process and the supervisor; the inventory stays, `heal` starts it again."""
        self._supervisor.stop(grace=MOST_GRACE)


_EMPTY = SetSpec(key="", release=0, commit="", tree="")


def _doomed(found: list[Any], watch: Watcher) -> Unhealthy:
    workload, container, reason, tail = found
    for line in tail:
        watch.says(f"{workload}: {line}")
    last = next((line for line in reversed(tail) if line.strip() and line != reason), "")
    name = workload if workload == container else f"{workload}/{container}"
    what = "did not listen on $PORT, twice" if UNHEARD in reason else f"{reason} twice before it was ready"
    return Unhealthy(
        f"{name} {what}" + (f", its last line: {last}" if last else ""),
        code="local.crash-loop",
        next_command=_way(reason),
    )


def _way(reason: str) -> str:
    if UNHEARD in reason:
        return "start the server on $PORT, or on its containerPort with strategy: {type: Recreate}"
    return "mend it, commit and push again"


def _late(found: dict[str, Any], seconds: float, watch: Watcher) -> Unhealthy:
    slow = [p for p in found.get("processes", ()) if not p["ready"]]
    for process in slow[:3]:
        for line in process["tail"]:
            watch.says(f"{process['workload']}: {line}")
    first = slow[0] if slow else {"workload": "the supervisor", "reason": "it does not answer"}
    why = f": {first['reason']}" if first["reason"] else ""
    return Unhealthy(
        f"{first['workload']} was not ready within {seconds:g} s{why}",
        code="local.not-ready",
        next_command=_way(first["reason"]),
    )
