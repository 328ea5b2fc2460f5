"""The processes of one cluster: started in order with a log each, stopped in reverse, gone with their keeper."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

_PORTS = range(10000, 20000)
"""Ports that nobody is given unasked: the kernel's own begin at 32768, those of releases at 20000."""
_places = itertools.count(10 * os.getpid())
"""Each process begins at another one: a part binds its port seconds after it was found free."""


def free_port() -> int:
    """Give a port of 127.0.0.1 that nothing listens on, and another one each time."""
    for place in _places:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", _PORTS[place % len(_PORTS)]))
            return int(probe.getsockname()[1])
    raise AssertionError  # there is always a next place


def wait(what: str, ready: Callable[[], object], seconds: float = 120.0) -> None:
    """Ask until the answer is yes: these parts tell no other way that they are ready."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not ready after {seconds:.0f} s")
        time.sleep(0.05)


def gives(what: str, attempt: Callable[[], T], error: type[Exception]) -> T:
    """Try until it no longer raises this error, and give what it gave."""
    found: list[T] = []

    def succeeds() -> bool:
        try:
            found.append(attempt())
        except error:
            return False
        return True

    wait(what, succeeds)
    return found[0]


@dataclass
class Parts:
    """What has been started, in order."""

    folder: Path
    assets: Path
    started: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    def start(self, name: str, *arguments: str | Path) -> None:
        """Start a part of ours, or a program of the machine; the kernel kills it when this process ends."""
        program = self.assets / name if (self.assets / name).exists() else name
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self.started.append((name, process))

    def write(self, name: str, text: str) -> Path:
        """Write one of the cluster's files."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> bool:
        """Say whether kubectl as admin succeeds."""
        command: list[str | Path] = [
            self.assets / "kubectl",
            "--kubeconfig",
            self.folder / "kubeconfig",
            *arguments,
        ]
        return not subprocess.run(
            command, input=stdin, text=True, capture_output=True, check=False
        ).returncode

    def ended(self) -> str | None:
        """Name the first part that has ended by itself."""
        return next((name for name, process in self.started if process.poll() is not None), None)

    def stop(self) -> None:
        """Kill them all, last first: nothing of theirs is kept, and the API server takes 5 s to end nicely."""
        for _, process in reversed(self.started):
            process.kill()
            process.wait()
