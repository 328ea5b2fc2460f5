"""The sets that run: replicas of workloads, each with its init containers and containers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gitops_cli.targets.local.logs import log_path
from gitops_cli.targets.local.supervisor.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from pathlib import Path

    from gitops_cli.targets.local.inventory import ContainerSpec, Route, SetSpec, WorkloadSpec
    from gitops_cli.targets.local.supervisor.forwarder import Upstream
    from gitops_cli.targets.local.supervisor.machine import Machine

DOOMED = 2
"""A container that ended so often before it was ever ready will not become so."""


class Replica:
    """One pod: its init containers one after the other, then its containers together."""

    def __init__(
        self, machine: Machine, folder: Path, release: int, workload: WorkloadSpec, number: int
    ) -> None:
        """Start nothing yet. `number` counts from 0."""
        pod = f"{workload.name}-{release}-{number}"

        def make(spec: ContainerSpec) -> Instance:
            path = log_path(folder, workload.name, spec.name, number)
            return Instance(machine, spec, pod, path, grace=workload.grace)

        self.workload = workload
        self.init = [make(spec) for spec in workload.init]
        self.containers = [make(spec) for spec in workload.containers]
        self._task: asyncio.Task[None] | None = None

    @property
    def instances(self) -> list[Instance]:
        """All of them, in the order in which they start."""
        return self.init + self.containers

    @property
    def ready(self) -> bool:
        """Every container is."""
        return all(i.ready for i in self.containers)

    @property
    def doomed(self) -> Instance | None:
        """The container that will not become ready."""
        return next((i for i in self.instances if i.exits >= DOOMED), None)

    def begin(self, after: Iterable[Awaitable[object]]) -> None:
        """Start once `after` is over."""
        self._task = asyncio.create_task(self._run(list(after)))

    async def _run(self, after: list[Awaitable[object]]) -> None:
        if after:
            await asyncio.gather(*after)
        for instance in self.init:
            if not await instance.run(once=True):
                return
        await asyncio.gather(*(i.run() for i in self.containers))

    async def stop(self) -> None:
        """End every container; returns when all have ended."""
        await asyncio.gather(*(i.stop() for i in self.instances))
        if self._task is not None:
            await self._task

    def upstream(self, container: str, number: int) -> Upstream | None:
        """Give where a port of a container is reached now."""
        found = next((i for i in self.containers if i.spec.name == container), None)
        return found.upstreams.get(number) if found is not None else None


class RunningSet:
    """One set of the inventory, its workloads started and stopped one by one."""

    def __init__(self, machine: Machine, folder: Path, spec: SetSpec) -> None:
        """Start nothing yet."""
        self.spec = spec
        self.served = False
        """It has had connections."""
        self._machine = machine
        self._folder = folder
        self._replicas: dict[str, list[Replica]] = {}
        self._stops: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, after: Iterable[Awaitable[object]] = ()) -> None:
        """Start a workload unless it runs; not before its own end, when it is just being stopped."""
        if name in self._replicas:
            return
        workload = next(w for w in self.spec.workloads if w.name == name)
        before = [*after, *filter(None, [self._stops.get(name)])]
        self._replicas[name] = [
            Replica(self._machine, self._folder, self.spec.release, workload, n)
            for n in range(workload.replicas)
        ]
        for replica in self._replicas[name]:
            replica.begin(before)

    def stop(self, name: str) -> asyncio.Task[None] | None:
        """Begin to stop a workload; give what ends when it has."""
        replicas = self._replicas.pop(name, None)
        if replicas is not None:
            self._stops[name] = asyncio.create_task(self._stop(replicas))
        return self._stops.get(name)

    async def _stop(self, replicas: list[Replica]) -> None:
        await asyncio.gather(*(r.stop() for r in replicas))

    def names(self) -> list[str]:
        """Every workload that it has, running or not."""
        return [w.name for w in self.spec.workloads]

    async def end(self) -> None:
        """Stop all; returns when all has ended."""
        tasks = [task for name in self.names() if (task := self.stop(name)) is not None]
        await asyncio.gather(*tasks)

    def replicas(self) -> list[Replica]:
        """All that run."""
        return [r for replicas in self._replicas.values() for r in replicas]

    @property
    def busy(self) -> list[asyncio.Task[None]]:
        """What is being stopped."""
        return [task for task in self._stops.values() if not task.done()]

    @property
    def ready(self) -> bool:
        """Every replica of every workload is."""
        running = len(self._replicas) == len(self.spec.workloads)
        return running and all(r.ready for r in self.replicas())

    @property
    def doomed(self) -> tuple[str, Instance] | None:
        """The workload and the container that will not become ready."""
        return next(((r.workload.name, i) for r in self.replicas() if (i := r.doomed) is not None), None)

    def upstreams(self, route: Route) -> list[Upstream]:
        """Give every ready process behind a route."""
        return [
            upstream
            for backend in route.backends
            for replica in self._replicas.get(backend.workload, [])
            if replica.ready and (upstream := replica.upstream(backend.container, backend.number)) is not None
        ]

    def all_upstreams(self) -> list[Upstream]:
        """Give every process that may have connections."""
        return [u for r in self.replicas() for i in r.containers for u in i.upstreams.values()]
