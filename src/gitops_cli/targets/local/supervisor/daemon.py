"""The supervisor's life: take the lock, end what a dead one left, make the inventory so, answer, end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.files import read_or_none
from gitops_cli.errors import GitopsError
from gitops_cli.targets.local import inventory
from gitops_cli.targets.local.supervisor.control import LIMIT, Control
from gitops_cli.targets.local.supervisor.doors import Doors
from gitops_cli.targets.local.supervisor.fleet import Fleet
from gitops_cli.targets.local.supervisor.machine import Machine
from gitops_cli.targets.local.supervisor.report import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitops_cli.targets.local.launch import Place
    from gitops_cli.targets.local.secrets import Store

LONGEST_WAIT = 3600.0
HOME_CHECK = 2.0
"""Seconds between looks whether the remote's folder and our socket are still there."""


class Daemon:
    """One for an environment."""

    def __init__(
        self, folder: Path, where: Callable[[], Path], place: Place, store: Store, *, seed: int
    ) -> None:
        """`folder`: the environment's; `where` gives the path to listen at and makes the folders above."""
        self._folder = folder
        self._where = where
        self._path: Path | None = None
        self._opened: tuple[int, int] | None = None
        self._server: asyncio.Server | None = None
        self._fleet = Fleet(Machine(folder, place, store), Doors(folder, seed), folder)
        self._over = asyncio.Event()
        self._applying = asyncio.Lock()

    async def run(self) -> None:
        """Live until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        await self._apply()
        await self._listen()
        watch = asyncio.create_task(self._watch())
        await self._over.wait()
        watch.cancel()
        await self._fleet.end()
        self._close()

    def _control(self) -> Control:
        token = (read_or_none(self._folder / "token") or b"").decode()
        return Control(
            token,
            {
                "reload": self._reload,
                "status": self._status,
                "wait": self._wait,
                "settle": self._settle,
                "stop": self._stop,
            },
        )

    async def _listen(self) -> None:
        """Open the control socket, for our account alone. Raises `OSError`, `GitopsError`."""
        self._close()
        self._path = self._where()
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(str(self._path))
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(before)
        self._opened = _file_id(self._path)
        self._server = await asyncio.start_unix_server(self._control().answer, sock=listener, limit=LIMIT)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()

    async def _watch(self) -> None:
        """End with the folder: nobody could stop us afterwards. Listen again when /tmp was swept."""
        while self._folder.is_dir():  # a folder tells nobody that it goes
            with suppress(OSError, GitopsError):
                if self._path is None or _file_id(self._path) != self._opened:
                    await self._listen()
            await asyncio.sleep(HOME_CHECK)
        self._over.set()

    async def _apply(self) -> None:
        async with self._applying:
            await self._fleet.apply(inventory.load(self._folder))

    async def _reload(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Read the inventory again; the answer comes when new connections go where it says."""
        await self._apply()
        return {}

    async def _status(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"pid": os.getpid(), "sets": {k: describe(s) for k, s in self._fleet.sets.items()}}

    async def _wait(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer when a set is ready, or will not become so, or after `seconds`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(float(request.get("seconds", 1)), LONGEST_WAIT)
        while True:
            running = self._fleet.get(str(request.get("set")))
            found = describe(running) if running is not None else {}
            left = deadline - loop.time()
            if not found or found["ready"] or found["doomed"] or left <= 0:
                return found
            await self._fleet.change(left)

    async def _settle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer when nothing is being stopped, or after `seconds`."""
        return {"settled": await self._fleet.settled(min(float(request.get("seconds", 1)), LONGEST_WAIT))}

    async def _stop(self, _request: dict[str, Any]) -> dict[str, Any]:
        self._over.set()
        return {"pid": os.getpid()}


def _file_id(path: Path) -> tuple[int, int] | None:
    """Tell a file from another one of its name; None when there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
