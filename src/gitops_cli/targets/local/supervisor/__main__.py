"""`python -m gitops_cli.targets.local.supervisor HOME ENVIRONMENT LEVEL`, started by the target."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from pathlib import Path

import msgspec

from gitops_cli.adapters import processes
from gitops_cli.adapters.files import private_dir, write_atomic
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.sandbox import Level
from gitops_cli.errors import GitopsError
from gitops_cli.targets.local.client import place_of, socket_path
from gitops_cli.targets.local.secrets import Store
from gitops_cli.targets.local.supervisor.daemon import Daemon
from gitops_cli.targets.local.supervisor.machine import end_leftovers


async def _live(home: Home, environment: str, level: Level) -> None:
    folder = home.local(environment)
    seed = int(home.digest, 16) + sum(environment.encode())
    place, store = place_of(home, environment, level), Store(home, environment)
    await Daemon(folder, lambda: socket_path(home, environment), place, store, seed=seed).run()


def main() -> int:
    """Be the supervisor, unless there is one."""
    home, environment, level = Home(Path(sys.argv[1])), sys.argv[2], Level(sys.argv[3])
    folder = private_dir(home.local(environment))
    lock = os.open(folder / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    count = end_leftovers(folder)
    if count:
        sys.stderr.write(f"ended {count} processes of a supervisor that was killed\n")
    write_atomic(folder / "supervisor.json", msgspec.json.encode(processes.identity(os.getpid())))
    try:
        asyncio.run(_live(home, environment, level))
    except GitopsError as error:
        sys.stderr.write(error.sentence() + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
