"""Makes what runs equal to the inventory: sets start, take over, drain and end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from gitops_cli.targets.local.supervisor.replicas import RunningSet

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from gitops_cli.targets.local.inventory import Inventory, SetSpec, WorkloadSpec
    from gitops_cli.targets.local.supervisor.doors import Doors
    from gitops_cli.targets.local.supervisor.machine import Machine

REFUSED_PATIENCE = 1.0
"""Seconds that connections of a set that is taken back may still last."""


def _gives_way(old: WorkloadSpec, leading: SetSpec | None) -> bool:
    """Say whether a workload of another set cannot run beside the leading one."""
    return leading is not None and any(workload.excludes(old) for workload in leading.workloads)


class Fleet:
    """Everything that runs in one environment."""

    def __init__(self, machine: Machine, doors: Doors, folder: Path) -> None:
        """Start nothing yet."""
        self._machine = machine
        self._doors = doors
        self._folder = folder
        self._sets: dict[str, RunningSet] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._serving = ""
        self._changed = asyncio.Event()
        machine.on_change(self._look)

    async def apply(self, inventory: Inventory) -> None:
        """Begin to make it so. When this returns, new connections go to the serving set."""
        leading = inventory.candidate or inventory.serving
        await self._doors.open({r.id for s in inventory.sets for r in s.routes})
        self._machine.lead(leading.project if leading is not None else "", self._doors.variables(leading))
        for key in [k for k in self._sets if inventory.find(k) is None]:
            self._leave(key, inventory)
        for spec in inventory.sets:
            if spec.key in self._leaving:
                await asyncio.wait([self._leaving[spec.key]])
            running = self._sets.setdefault(spec.key, RunningSet(self._machine, self._folder, spec))
            for workload in spec.workloads:
                if spec is not leading and _gives_way(workload, leading):
                    running.stop(workload.name)
        for spec in inventory.sets:
            for workload in spec.workloads:
                if spec is leading:
                    self._sets[spec.key].start(workload.name, self._others(spec, workload))
                elif not _gives_way(workload, leading):
                    self._sets[spec.key].start(workload.name)
        self._serving = inventory.serving.key if inventory.serving is not None else ""
        self._look()

    def _others(self, spec: SetSpec, workload: WorkloadSpec) -> list[Awaitable[object]]:
        """Stop what of the other sets cannot run beside it, and give their ends."""
        others = [running for key, running in self._sets.items() if key != spec.key]
        return [
            task
            for running in others
            for old in running.spec.workloads
            if workload.excludes(old) and (task := running.stop(old.name)) is not None
        ]

    def _leave(self, key: str, inventory: Inventory) -> None:
        """Let a set end: when its connections have ended (at once if it never served) or its time is over."""
        if key in self._leaving:
            return
        running = self._sets[key]
        published = inventory.serving is not None and inventory.serving.release > running.spec.release
        grace = max((w.grace for w in running.spec.workloads), default=0)
        patience = float(grace) if published else REFUSED_PATIENCE
        self._leaving[key] = asyncio.create_task(self._drain(key, running, patience))

    async def _drain(self, key: str, running: RunningSet, patience: float) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    for upstream in running.all_upstreams():
                        await upstream.idle()
            await running.end()
        finally:
            self._sets.pop(key, None)
            self._leaving.pop(key, None)
            self._look()

    def _look(self) -> None:
        """Something has changed: send connections where they belong, wake whoever waits."""
        serving = self._sets.get(self._serving)
        ways = {r.id: serving.upstreams(r) for r in serving.spec.routes} if serving is not None else {}
        for key, running in self._sets.items():
            if key not in self._leaving:
                # a Service that the serving set lacks: what becomes ready may need another new one to be so
                for route in running.spec.routes:
                    ways.setdefault(route.id, running.upstreams(route))
        self._doors.serve(ways)
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self, seconds: float) -> None:
        """Wait until something has changed, at most that long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def settled(self, seconds: float) -> bool:
        """Wait until nothing is being stopped; False when it takes longer."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._leaving or any(s.busy for s in self._sets.values()):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            tasks = [*self._leaving.values(), *(t for s in self._sets.values() for t in s.busy)]
            await asyncio.wait(tasks, timeout=left)
        return True

    def get(self, key: str) -> RunningSet | None:
        """Give a set that should run."""
        return self._sets.get(key)

    @property
    def sets(self) -> dict[str, RunningSet]:
        """All that run, those that are leaving too."""
        return dict(self._sets)

    async def end(self) -> None:
        """End everything."""
        await asyncio.gather(*(running.end() for running in self._sets.values()))
        self._doors.close()
        self._machine.close()
