"""Probes as Kubernetes asks them: is it started, ready, alive.

One difference: until its first success a probe is asked more often than its period says, so that a push does
not wait ten seconds for an application that needs one. The time that a startup probe allows stays the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

from gitops_cli.targets.local.inventory import UNHEARD

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gitops_cli.config.workloads import HttpGet, Probe
    from gitops_cli.targets.local.inventory import ContainerSpec

    Run = Callable[[tuple[str, ...], float], Awaitable[str]]
    """Runs a command beside the container; an empty answer is success."""

IMPATIENT = 0.1
"""Seconds between the first questions; doubled up to one second or the probe's own period."""
MOST_HEADER = 64 * 1024


class Asker:
    """Asks the probes of one running process."""

    def __init__(self, spec: ContainerSpec, ports: Mapping[int, int], run: Run) -> None:
        """`ports`: the manifest's numbers to the real ones."""
        self._spec = spec
        self._ports = ports
        self._run = run

    def port(self, wanted: int | str) -> int:
        """Give the real port for a number or a name of the manifest."""
        for port in self._spec.ports:
            if wanted in (port.number, port.name, str(port.number)):
                return self._ports[port.number]
        return int(wanted)

    async def ask(self, probe: Probe) -> str:
        """Ask once. Empty: yes; else why not."""
        seconds = max(probe.timeout_seconds, 1)
        try:
            async with asyncio.timeout(seconds):
                if probe.http_get is not None:
                    return await _http(probe.http_get, self.port(probe.http_get.port))
                if probe.tcp_socket is not None:
                    return await _tcp(self.port(probe.tcp_socket.port))
                if probe.exec is not None:
                    return await self._run(probe.exec.command, seconds)
        except TimeoutError:
            return f"no answer within {seconds} s"
        except (OSError, ValueError) as error:
            return _reason(error)
        return ""

    async def until_yes(
        self, probe: Probe, tell: Callable[[str], None], *, seconds: float | None = None
    ) -> bool:
        """Ask until it has said yes often enough; False when `seconds` have passed first."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds if seconds is not None else None
        wait, successes = IMPATIENT, 0
        while True:
            reason = await self.ask(probe)
            tell(reason)
            successes = 0 if reason else successes + 1
            if successes >= probe.success_threshold:
                return True
            if deadline is not None and loop.time() >= deadline:
                return False
            await asyncio.sleep(probe.period_seconds if successes else wait)
            wait = min(wait * 2, 1.0, max(probe.period_seconds, IMPATIENT))

    async def until_no(self, probe: Probe, tell: Callable[[str], None]) -> None:
        """Ask every period until it has said no as often in a row as the threshold allows."""
        failures = 0
        while failures < max(probe.failure_threshold, 1):
            await asyncio.sleep(max(probe.period_seconds, 1))
            reason = await self.ask(probe)
            failures = failures + 1 if reason else 0
            if reason:
                tell(reason)


async def _tcp(port: int) -> str:
    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return ""


async def _http(probe: HttpGet, port: int) -> str:
    """Success is 200 to 399, as kubelet has it. Certificates are not checked, as there."""
    secure = None
    if probe.scheme == "HTTPS":
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        secure.check_hostname = False
        secure.verify_mode = ssl.CERT_NONE
    path = "".join(c for c in probe.path if c > " " and c != "\x7f") or "/"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=secure, limit=MOST_HEADER)
    try:
        head = f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        writer.write((head + "User-Agent: gitops-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n").encode())
        line = (await reader.readline()).decode("latin-1").split()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if len(line) < 2 or not line[1].isdigit():  # noqa: PLR2004 - version and status
        return f"{probe.path} was answered with something that is not HTTP"
    return "" if 200 <= int(line[1]) < 400 else f"{probe.path} answered {line[1]}"  # noqa: PLR2004


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return UNHEARD
    return str(error) or type(error).__name__
