"""A namespace of a cluster. What a crash leaves stands beside each method: the inventory decides."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.adapters.kubernetes.access import Where
from gitops_cli.adapters.kubernetes.client import Client
from gitops_cli.errors import GitopsError, Unhealthy
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.targets.kubernetes import applying, sets, undoing, ways
from gitops_cli.targets.kubernetes.cluster import Cluster
from gitops_cli.targets.kubernetes.fights import Fights
from gitops_cli.targets.kubernetes.inventory import Inventory, new_key
from gitops_cli.targets.kubernetes.plan import digest, make_plan
from gitops_cli.targets.kubernetes.pruning import prune
from gitops_cli.targets.kubernetes.rendering import render
from gitops_cli.targets.kubernetes.state import State
from gitops_cli.targets.memory import Memory
from gitops_cli.targets.protocol import Door, Live, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from gitops_cli.adapters.home import Home
    from gitops_cli.config.remote import Environment, KubernetesAt
    from gitops_cli.pipeline.protocol import Record, Watcher
    from gitops_cli.targets.kubernetes.planned import Plan
    from gitops_cli.targets.kubernetes.rendering import Rendered
    from gitops_cli.targets.protocol import AppSet, Task

BACK_SECONDS = 30.0
"""How long `put_back` waits for what serves again; a cluster goes on by itself."""


class KubernetesTarget:
    """Objects of one namespace, applied on the server's side under our field manager."""

    name = "kubernetes"

    def __init__(self, home: Home, environment: Environment, at: KubernetesAt) -> None:
        """Connect to nothing: the first question does."""
        self._home = home
        self._environment = environment
        self._at = at
        self._state = State(home.kubernetes(environment.name))
        self._plans: dict[str, Plan] = {}
        self._rendered: dict[str, tuple[Rendered, ...]] = {}

    @cached_property
    def cluster(self) -> Cluster:
        """The way to the cluster. Raises `Unavailable` when there is none."""
        reference = self._at.kubeconfig.removeprefix("file:")
        where = Where(
            kubeconfig=Path(self._home.path, reference) if reference else None, context=self._at.context
        )
        client = Client.to(where, state=self._state.made(), manager=self._at.field_manager)
        return Cluster(self._environment.name, client, self._at, self._environment.policy, self._state)

    def live(self, *, ask: bool = False) -> Live:
        """Say what was released last, from memory; with `ask`, also which pods there are, and drift."""
        serving = self._state.inventory().serving
        if serving is None:
            if ask:
                self.cluster.client.kinds()  # nothing to ask about, but whether there is a way to ask
            return Live()
        found = Live(
            commit=serving.commit, release=serving.release, urls=serving.urls, detail={"asked": False}
        )
        if not ask:
            return found
        from gitops_cli.targets.kubernetes import standing  # noqa: PLC0415 - only where somebody asks

        return standing.asked(self.cluster, serving, found)

    def plan(self, wanted: AppSet) -> Sequence[str]:
        """Compare with the cluster."""
        plan = make_plan(self.cluster, wanted, self._render(wanted))
        return [plan.summary(), *plan.lines()]

    def foresee(self, wanted: AppSet, watch: Watcher) -> None:
        """Plan on the server, by dry runs alone; the release takes the plan if nothing is released before."""
        plan = make_plan(self.cluster, wanted, self._render(wanted))
        self._state.save_plan(plan)
        watch.says(f"plan: {plan.summary()}")
        for line in plan.lines():
            watch.says(line)

    def overlap(self, wanted: AppSet) -> Sequence[str]:
        """Name what rolls: its old pods go on serving while the new ones start."""
        serving = self._state.inventory().serving
        return sets.rolling(wanted.manifests, serving.keys) if serving else ()

    def check(self, wanted: AppSet) -> None:
        """Take the plan of pre-receive, or make one where the world has moved on. Raises `Refused`."""
        self._planned(wanted, self._render(wanted))

    def prepare(self, wanted: AppSet, record: Record, watch: Watcher) -> str:
        """Make nothing: images are named by digest, and nodes pull them."""
        del record, watch
        count = len(sets.images(self._render(wanted)))
        return f"{count} image{'s'[: count != 1]} by digest"

    def libraries(self, wanted: AppSet) -> Sequence[str]:
        """Name none."""
        del wanted
        return ()

    def apply(
        self, wanted: AppSet, record: Record, watch: Watcher, *, first: Callable[[], None] = nothing
    ) -> None:
        """Send what is not as it should be; `first` when configuration and accounts are there.

        Killed before the inventory is written: nothing was sent, and `put_back` finds no such set. After
        it: `put_back` puts back what came through.
        """
        Fights(self._state).settle()
        self._send(wanted, record, watch, first)

    def _send(self, wanted: AppSet, record: Record, watch: Watcher, first: Callable[[], None]) -> None:
        found, rendered = self._state.inventory().abandoned, self._render(wanted)
        plan = self._planned(wanted, rendered)
        key = new_key(wanted.release)
        record.note(before=found.serving.key if found.serving else "", set=key)
        candidate, bodies = sets.candidate(key, wanted, rendered, plan)
        self._state.save_bodies(key, bodies)
        self._state.save_inventory(
            Inventory(serving=found.serving, candidate=candidate, leftover=found.doomed)
        )
        texts = {one.key: one for one in rendered}
        applying.send(self.cluster, plan.actions, texts, plan.rows, watch, first=first)

    def wait(self, wanted: AppSet, record: Record, watch: Watcher) -> str:
        """Wait until everything that was sent is ready.

        Killed before the inventory is written: `put_back` goes back to the set that it names as serving.
        After it: to the parked one.
        """
        now = self._state.inventory()
        candidate = now.find(str(record.facts.get("set") or ""))
        touched = {item.key for item in candidate.touched} if candidate else set()
        line = self._wait(
            [one for one in self._render(wanted) if one.key in touched],
            self._environment.timeouts.rollout,
            watch,
        )
        if candidate is not None and now.candidate is not None and candidate.key == now.candidate.key:
            self._state.save_inventory(
                Inventory(serving=candidate, parked=now.serving, leftover=now.leftover)
            )
        return line

    def _wait(self, objects: Sequence[Rendered], seconds: float, watch: Watcher) -> str:
        if not objects:
            return "nothing to change"
        from gitops_cli.targets.kubernetes import rollout  # noqa: PLC0415 - only where something was sent

        unschedulable = self._environment.timeouts.unschedulable
        return rollout.wait(
            self.cluster.client,
            self._at.namespace,
            objects,
            timeout=seconds,
            unschedulable=unschedulable,
            watch=watch,
        )

    def run(self, task: Task, wanted: AppSet, record: Record, watch: Watcher) -> None:
        """Run a command as a Job. Raises `Failed`, `StepTimeout`."""
        from gitops_cli.targets.kubernetes.tasks import run_task  # noqa: PLC0415 - only where there are jobs

        client, namespace = self.cluster.client, self._at.namespace
        run_task(
            client,
            namespace,
            task,
            wanted,
            self._at,
            record=record,
            watch=watch,
            unschedulable=self._environment.timeouts.unschedulable,
        )

    def answers(self, service: str, path: str, *, timeout: float) -> tuple[int, str] | None:
        """Ask, through the API server, the Service that leads to a service. Raises `Failed`."""
        found = ways.asked(self._served(), self._at.images, service)
        if found is None:
            return None
        client = self.cluster.client
        return client.service_answers(self._at.namespace, found.name, found.port, path, timeout=timeout)

    def put_back(self, record: Record) -> None:
        """Apply the set before again, remove what was created. From any process, any number of times."""
        self._end_jobs(record)
        found = self._state.inventory()
        spec = found.find(str(record.facts.get("set") or ""))
        if spec is None:  # nothing was sent, or all is back
            self._state.tidy(found)
            return
        before = found.find(str(record.facts.get("before") or ""))
        restored = undoing.put_back(self.cluster, spec, before)
        after = Inventory(serving=before, leftover=found.leftover)
        self._state.save_inventory(after)
        self._state.tidy(after)
        with suppress(Unhealthy):  # it is put back; how well it was before is not ours to judge
            self._wait(restored, BACK_SECONDS, SILENT)

    def retire(self, record: Record) -> None:
        """Remove what the published set no longer names."""
        self._end_jobs(record)
        prune(self.cluster)

    def _end_jobs(self, record: Record) -> None:
        """Remove the Jobs that the release made, and wait until their pods have ended."""
        noted = (facts.get("job") for facts in (record.facts, record.of("verify")))
        if names := sorted({str(name) for name in noted if name}):
            from gitops_cli.targets.kubernetes import tasks  # noqa: PLC0415 - only where there are jobs

            tasks.remove(self.cluster.client, self._at.namespace, names)

    def heal(self, wanted: AppSet | None, *, insist: bool = True) -> Sequence[str]:
        """Make what runs equal to `wanted`: after lost memory, hands in the cluster, a prune that failed."""
        before = self._state.inventory()
        if before.candidate is not None:
            self._state.save_inventory(before.abandoned)
        said = [] if wanted is None else self._mend(wanted, insist=insist)
        after = self._state.inventory()
        if after.parked or after.leftover:
            return [*said, *prune(self.cluster)]
        self._state.tidy(after)
        return said

    def _mend(self, wanted: AppSet, *, insist: bool) -> list[str]:
        from gitops_cli.targets.kubernetes.healing import count, healing  # noqa: PLC0415 - not in a release

        rendered = self._render(wanted)
        plan = make_plan(self.cluster, wanted, rendered, healing=True)
        serving = self._state.inventory().serving
        known = serving is not None and serving.commit == wanted.commit
        found = healing(self.cluster, plan, rendered, insist=insist)
        if known and not found.plan.actions:
            if found.plan.rows:  # else the guard would ask about them for ever
                ledger = self._state.ledger()
                ledger.add(found.plan.rows)
                self._state.save_ledger(ledger)
            return []
        self._plans[wanted.commit] = found.plan
        record = Memory()
        try:
            self._send(wanted, record, SILENT, nothing)
            self.wait(wanted, record, SILENT)
        except GitopsError:  # what was sent is what was released: nothing to undo, and more to heal
            self._state.save_inventory(self._state.inventory().abandoned)
            raise
        return [*found.said, *count(self.cluster, found.plan.actions)] if known else list(found.said)

    def guard(self, wake: Callable[[], None], stop: Event) -> None:
        """Watch every kind of what was released."""
        from gitops_cli.targets.kubernetes.guarding import guard  # noqa: PLC0415 - for the agent only

        guard(lambda: self.cluster, wake, stop)

    def logs(self, service: str, *, follow: bool, lines: int) -> Iterator[str]:
        """Give what the pods of a service printed. Hostile: whoever prints escapes."""
        from gitops_cli.targets.kubernetes import logs  # noqa: PLC0415 - for `gitops logs` only

        client, namespace = self.cluster.client, self._at.namespace
        return logs.logs(
            client, namespace, service, self._served(), follow=follow, lines=lines, images=self._at.images
        )

    @contextmanager
    def door(self, service: str) -> Iterator[Door | None]:
        """Give an Ingress' URL, or a door through the API server while the block runs."""
        urls = self.live().urls
        url = urls.get(service, "") if service else next(iter(urls.values()), "")
        found = None if url else ways.named(self._served(), service)
        if found is None:
            yield Door(url, lasts=True) if url else None
            return
        from gitops_cli.adapters.kubernetes.forwarding import door  # noqa: PLC0415 - for `gitops open` only

        with door(self.cluster.client.wire, self._at.namespace, found.name, found.port) as here:
            yield Door(here, lasts=False)

    def stop(self) -> None:
        """Stop nothing: a cluster does not run on this machine, and `down` is about this machine."""

    def _served(self) -> Sequence[Rendered]:
        """Give the objects of what was released last; none before the first release."""
        serving = self._state.inventory().serving
        return self._state.bodies(serving.key).objects if serving else ()

    def _render(self, wanted: AppSet) -> tuple[Rendered, ...]:
        """Give the objects of a commit; every step asks."""
        if wanted.commit not in self._rendered:
            self._rendered[wanted.commit] = render(wanted, self._at, self._environment.policy)
        return self._rendered[wanted.commit]

    def _planned(self, wanted: AppSet, rendered: Sequence[Rendered]) -> Plan:
        """Give the plan for exactly this, from this process, from pre-receive, or a new one."""
        basis = self._state.inventory().basis
        named = digest(self._at, self._environment.policy, rendered, wanted.options)
        plan = self._plans.get(wanted.commit) or self._state.take_plan(wanted.commit)
        if plan is None or (plan.basis, plan.digest) != (basis, named):
            plan = make_plan(self.cluster, wanted, rendered)
        self._plans[wanted.commit] = plan
        return plan
