"""What an instance needs of this machine: a port, a process in its cage, to hear of its end."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import processes
from gitops_cli.adapters.files import read_or_none, write_atomic
from gitops_cli.targets.local.launch import Place, launch
from gitops_cli.targets.local.supervisor import ports

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from gitops_cli.targets.local.inventory import ContainerSpec
    from gitops_cli.targets.local.secrets import Store

LETTING_GO = 2.0
"""Seconds that processes of ours may still hold a fixed port after they were killed."""
LOOK_AGAIN = 0.05


class Machine:
    """One for a supervisor."""

    def __init__(self, folder: Path, place: Place, store: Store) -> None:
        """`folder`: the environment's."""
        self.services: Mapping[str, str] = {}
        """Variables that name the Services, as Kubernetes makes them."""
        self._folder = folder
        self._place = place
        self._store = store
        self._running: dict[int, processes.Identity] = {}
        self._ports = ports.Ports()
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a process became ready, or no longer is, or ended."""
        self._listeners.append(listener)

    def changed(self) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener()

    def port(self) -> int:
        """Give a TCP port that nobody listens on. Raises `OSError`."""
        return self._ports.give()

    def close(self) -> None:
        """Let go of the ports that were given."""
        self._ports.close()

    async def vacant(self, numbers: Iterable[int]) -> None:
        """Wait until nobody listens on these fixed ports. Raises `OSError` when somebody goes on to.

        An app that tries again to listen would never say so, and probes and Services would reach a stranger.
        """
        until = asyncio.get_running_loop().time() + LETTING_GO
        for number in numbers:
            while not ports.bindable(number):
                if asyncio.get_running_loop().time() >= until:
                    raise OSError(f"found port {number} of this machine in use by another program")
                await asyncio.sleep(LOOK_AGAIN)

    def lead(self, project: str, services: Mapping[str, str]) -> None:
        """Hear whose processes start next, and which Services there are."""
        self._store.project = project
        self.services = services

    async def before(self, spec: ContainerSpec) -> None:
        """Make sure of what the process needs: the database. Raises `GitopsError`."""
        await asyncio.to_thread(self._store.ensure, [v.secret for v in spec.env if v.secret])

    def start(
        self,
        spec: ContainerSpec,
        argv: Sequence[str],
        real: Mapping[int, int],
        *,
        pod: str,
        stdout: int | None,
    ) -> subprocess.Popen[bytes]:
        """Start a command with the container's files and environment. Raises `GitopsError`."""
        process = launch(
            self._place,
            spec,
            argv,
            real=real,
            secrets=self._store,
            pod=pod,
            services=self.services,
            stdout=processes.DEVNULL if stdout is None else stdout,
        )
        who = processes.identity(process.pid)
        if who is not None:
            self._running[process.pid] = who
            self._write()
        return process

    async def ended(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for its end and give its exit code."""
        code = process.poll()
        if code is not None:
            return code
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(process.pid)
        done: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, _setter(done))
        try:
            await done
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return process.wait()

    def forget(self, process: subprocess.Popen[bytes]) -> None:
        """Let go of one that has ended: what it left behind in its group ends too."""
        who = self._running.pop(process.pid, None)
        if who is not None:
            processes.kill_group(who)
            self._write()

    def _write(self) -> None:
        try:
            write_atomic(self._folder / "processes.json", msgspec.json.encode(list(self._running.values())))
        except OSError:  # the disk is full: they die with us all the same
            return


def _setter(done: asyncio.Future[None]) -> Callable[[], None]:
    def set_once() -> None:
        if not done.done():
            done.set_result(None)

    return set_once


def end_leftovers(folder: Path) -> int:
    """End what a supervisor left that was killed; say how many. Those in a cage have died with it."""
    try:
        found = msgspec.json.decode(
            read_or_none(folder / "processes.json") or b"[]", type=list[processes.Identity]
        )
    except msgspec.MsgspecError:
        return 0
    running = [who for who in found if processes.alive(who)]
    processes.end_all(found)
    return len(running)
