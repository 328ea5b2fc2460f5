"""Runs as a program: one release for each point, in a fork that kills itself there with a real SIGKILL.

victim.py HOME OLD NEW      prints a line of JSON for each point: what recovery made of it
victim.py HOME OLD NEW records   the points are the records of the journal alone, each once it is on disk
victim.py HOME              the same of a heal: the test changes something by hand before each

A point lies before and after each request to the API server, each operation on the journal's disk, each file
that the target writes, and each move of refs. Recovery runs in a fork of its own. When it has settled the
release as new, the old commit's tree is released again before the next point.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_cli import releases
from gitops_cli.adapters.disk import Disk
from gitops_cli.adapters.git import refs
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.kubernetes.wire import Wire
from gitops_cli.pipeline.model import RefUpdate
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.targets.kubernetes import state

if TYPE_CHECKING:
    from collections.abc import Callable

MAIN = "refs/heads/main"
OPERATIONS = ("create", "append", "sync", "truncate", "rename", "remove", "sync_folder")


class Points:
    """Counts the points, from whatever thread, and dies at one of them."""

    def __init__(self, deadly: int) -> None:
        self.deadly = deadly
        self.met = 0
        self._lock = threading.Lock()

    def point(self) -> None:
        with self._lock:
            if self.met == self.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            self.met += 1

    def after(self, owner: Any, name: str) -> None:
        """Put a point after each call of a function."""
        self.between(owner, name, before=False)

    def between(self, owner: Any, name: str, *, before: bool = True) -> None:
        """Put a point before and after each call of a function."""
        inner: Callable[..., Any] = getattr(owner, name)

        def outer(*args: Any, **kwargs: Any) -> Any:
            if before:
                self.point()
            result = inner(*args, **kwargs)
            self.point()
            return result

        setattr(owner, name, outer)

    def install(self, *, records: bool = False) -> None:
        if records:
            self.after(Disk, "sync")
            return
        self.between(Wire, "send")
        self.between(state, "write_atomic")
        self.between(refs, "move")
        for name in OPERATIONS:
            self.between(Disk, name)


def forked(work: Callable[[], Any]) -> tuple[int, Any]:
    """Do something in a fork; give its wait status and what it gave."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            told = work()
        except Exception as error:  # noqa: BLE001 - the test reads it
            told = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(told).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        told = file.read()
    return os.waitpid(child, 0)[1], json.loads(told) if told else None


def push(home: Home, commit: str, deadly: int = -1, *, records: bool = False) -> Any:
    """Push a commit to main as the hooks do; give the number of points, and the reason if it was refused."""
    with Repo(home.repo) as repo:
        updates = [RefUpdate(MAIN, repo.resolve(MAIN), commit)]
        releases.validate_push(home, repo, updates, (), SILENT)
    points = Points(deadly)
    points.install(records=records)
    reasons = releases.receive(home, updates, (), SILENT)
    return points.met, reasons[MAIN]


def again(home: Home, commit: str) -> str:
    """Make a forward commit with the tree of another."""
    command = ["git", "-C", str(home.repo), "commit-tree", f"{commit}^{{tree}}", "-p", MAIN, "-m", "Again"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def heal(home: Home, deadly: int) -> Any:
    """Recover as an operator does; give the number of points, and what was said."""
    points = Points(deadly)
    points.install()
    said = releases.recover(home, SILENT)
    return points.met, said


def main() -> None:
    home = Home(Path(sys.argv[1]))
    old, new = sys.argv[2:4] or ("", "")
    records = sys.argv[4:] == ["records"]
    for deadly in itertools.count():
        commit = again(home, new) if new else ""
        status, told = forked(
            partial(push, home, commit, deadly, records=records) if new else partial(heal, home, deadly)
        )
        _, recovered = forked(lambda: releases.recover(home, SILENT))
        _, twice = forked(lambda: releases.recover(home, SILENT))
        with Repo(home.repo) as repo:
            moved = repo.resolve(MAIN) == commit
        line = {"point": deadly, "status": status, "told": told, "moved": moved, "recovered": recovered}
        print(json.dumps(line | {"twice": twice}), flush=True)  # noqa: T201 - a program
        sys.stdin.readline()  # the test has looked
        if moved:
            forked(lambda: push(home, again(home, old)))
        if status == 0:
            return


if __name__ == "__main__":
    main()
