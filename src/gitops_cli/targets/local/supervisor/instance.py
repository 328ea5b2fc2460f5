"""One container of one replica: start it, probe it, start it again with growing pauses, end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING

from gitops_cli.config.workloads import Probe, TcpSocket
from gitops_cli.errors import GitopsError
from gitops_cli.targets.local.logs import LogWriter
from gitops_cli.targets.local.supervisor.forwarder import Upstream
from gitops_cli.targets.local.supervisor.output import Output
from gitops_cli.targets.local.supervisor.probes import Asker

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from gitops_cli.targets.local.inventory import ContainerSpec
    from gitops_cli.targets.local.supervisor.machine import Machine

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
SETTLED = 60.0
"""A process that ran that long starts the pauses anew."""
TAIL = 20
SIGNS_OF_LIFE = 1.0
"""Seconds that a container without port and probe must run to count as ready."""


class Instance:
    """What `status` tells of it stands in its public fields."""

    def __init__(self, machine: Machine, spec: ContainerSpec, pod: str, log: Path, *, grace: int) -> None:
        """`grace`: seconds between SIGTERM and SIGKILL."""
        self.spec = spec
        self.pod = pod
        self.ready = False
        self.ever_ready = False
        self.restarts = 0
        self.exits = 0
        """How often it ended by itself before it was ever ready."""
        self.reason = ""
        self.exit_code: int | None = None
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.upstreams: dict[int, Upstream] = {}
        self._machine = machine
        self._log = log
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None
        self._real: dict[int, int] = {}
        self._stopping = asyncio.Event()
        self._why = ""

    @property
    def pid(self) -> int:
        """0 while nothing runs."""
        return self._process.pid if self._process is not None else 0

    async def run(self, *, once: bool = False) -> bool:
        """Keep it running until `stop`; with `once` until it has ended with 0. True: it ended with 0."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            try:
                self.exit_code = await self._once()
            except (GitopsError, OSError) as error:
                self.reason, self.exit_code = getattr(error, "cause", str(error)), -1
                self.tail.append(self.reason)
            if once and self.exit_code == 0:
                return True
            if self._stopping.is_set():
                break
            self._ended()
            if asyncio.get_running_loop().time() - began > SETTLED:
                pause = FIRST_PAUSE
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return False

    def _ended(self) -> None:
        self.restarts += 1
        if not self.ever_ready:
            self.exits += 1
        if self._why:
            self.reason, self._why = self._why, ""
        elif self.exit_code is not None and self.exit_code >= 0:
            self.reason = f"ended with {self.exit_code}"
        elif self.exit_code is not None and self.exit_code < -1:
            self.reason = f"ended by signal {-self.exit_code}"
        self._machine.changed()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after the grace period. Returns when it has ended."""
        self._stopping.set()
        await self._end()

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        self._set_ready(ready=False)
        process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(self._machine.ended(process)), self._grace)
        except TimeoutError:
            process.kill()
            await self._machine.ended(process)

    async def _once(self) -> int:
        """Run it to its end and give its exit code. Raises `GitopsError`, `OSError` when it cannot start."""
        self._real = {
            p.number: p.number if self.spec.fixed else self._machine.port() for p in self.spec.ports
        }
        self.upstreams = {number: Upstream(real) for number, real in self._real.items()}
        await self._machine.before(self.spec)
        if self.spec.fixed:
            await self._machine.vacant(self._real.values())
        if self._stopping.is_set():
            return 0
        reading, writing = os.pipe()
        try:
            process = self._machine.start(self.spec, self.spec.argv, self._real, pod=self.pod, stdout=writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        output = Output(reading, LogWriter(self._log), self.tail.append)
        self._process = process
        questions = asyncio.create_task(self._watch(process))
        try:
            return await self._machine.ended(process)
        finally:
            questions.cancel()
            self._set_ready(ready=False)
            self._process = None
            self._machine.forget(process)
            output.close()

    async def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Ask the probes while it runs; end it when it does not start in time or is no longer alive."""
        spec = self.spec
        asker = Asker(spec, self._real, self._beside)
        if spec.startup is not None:
            await asyncio.sleep(spec.startup.initial_delay_seconds)
            allowed = max(spec.startup.failure_threshold * spec.startup.period_seconds, 1)
            if not await asker.until_yes(spec.startup, self._tell, seconds=allowed):
                await self._give_up(f"not started within {allowed} s: {self.reason}")
                return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_ready(asker, process))
            if spec.liveness is not None:
                group.create_task(self._keep_alive(asker))

    async def _keep_alive(self, asker: Asker) -> None:
        probe = self.spec.liveness
        if probe is None:
            return
        await asyncio.sleep(probe.initial_delay_seconds)
        await asker.until_no(probe, self._tell)
        await self._give_up(f"not alive: {self.reason}")

    async def _give_up(self, why: str) -> None:
        self._why = why
        self.tail.append(why)
        await self._end()

    async def _keep_ready(self, asker: Asker, process: subprocess.Popen[bytes]) -> None:
        probe = self.spec.readiness
        if probe is None:
            await self._without_probe(process)
            return
        await asyncio.sleep(probe.initial_delay_seconds)
        while True:
            await asker.until_yes(probe, self._tell)
            self._set_ready(ready=True)
            await asker.until_no(probe, self._tell)
            self._set_ready(ready=False)

    async def _without_probe(self, process: subprocess.Popen[bytes]) -> None:
        """Kubernetes would call it ready at once; here it is when it listens, or has run for a second."""
        if not self.spec.ports:
            await asyncio.sleep(SIGNS_OF_LIFE)
        else:
            asker = Asker(self.spec, self._real, self._beside)
            await asker.until_yes(
                Probe(tcp_socket=TcpSocket(port=self.spec.ports[0].number), period_seconds=1), self._tell
            )
        if process.poll() is None:
            self._set_ready(ready=True)

    async def _beside(self, command: tuple[str, ...], seconds: float) -> str:
        """Run a probe's command with the container's files and environment."""
        try:
            process = self._machine.start(self.spec, command, self._real, pod=self.pod, stdout=None)
        except GitopsError as error:
            return error.cause
        try:
            async with asyncio.timeout(seconds):
                code = await self._machine.ended(process)
        finally:
            if process.poll() is None:
                process.kill()
                await asyncio.shield(self._machine.ended(process))
            self._machine.forget(process)
        return f"the command {command[0]} ended with {code}" if code else ""

    def _tell(self, reason: str) -> None:
        self.reason = reason

    def _set_ready(self, *, ready: bool) -> None:
        if ready != self.ready:
            self.ready = ready
            self.ever_ready = self.ever_ready or ready
            if ready:
                self.reason = ""
            self._machine.changed()
