"""Runs as a program: one release for each point, in a fork that kills itself there with a real SIGKILL.

victim.py FOLDER MODE      MODE: `release`, `refusal`, `stop`, `asked`; prints the number of points
victim.py FOLDER once      one plain release in FOLDER; what is raised is printed, exit 1
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from gitops_cli.adapters import signals
from gitops_cli.adapters.disk import Disk
from gitops_cli.errors import GitopsError, Stopped
from tests.pipeline.folder import Play, says_no


class DeadlyDisk(Disk):
    """Counts the points before and after each operation of the real disk and acts at one of them."""

    def __init__(self, deadly: int, sign: int) -> None:
        self.deadly = deadly
        self.sign = sign
        self.points = 0

    def point(self) -> None:
        if self.points == self.deadly:
            os.kill(os.getpid(), self.sign)
        self.points += 1

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in {"create", "append", "sync", "truncate", "rename", "remove", "sync_folder"}:
            return found

        def between(*args: Any) -> Any:
            self.point()
            result = found(*args)
            self.point()
            return result

        return between


def stop(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped("the pusher has gone")


def play(folder: Path, mode: str, deadly: int) -> int:
    signal.signal(signal.SIGTERM, stop)
    if mode == "asked":
        signals.install()
    disk = DeadlyDisk(deadly, signal.SIGTERM if mode in ("stop", "asked") else signal.SIGKILL)
    scene = Play(folder, disk)
    if mode == "recover":
        scene.recover()
        return disk.points
    if mode in ("refusal", "asked"):
        scene.deploy.after = says_no
    for step in scene.steps:
        step.before = disk.point
    scene.run()
    return disk.points


def fork(folder: Path, mode: str, deadly: int) -> None:
    if mode == "recover":
        shutil.copytree(folder.with_name("dead"), folder)
    child = os.fork()
    if child == 0:
        try:
            play(folder, mode, deadly)
        except GitopsError as error:
            (folder / "raised").write_text(error.sentence())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    (folder / "status").write_text(str(status))


def main() -> None:
    base, mode = Path(sys.argv[1]), sys.argv[2]
    if mode == "once":
        try:
            print(Play(base).run().outcome)  # noqa: T201 - a program
        except GitopsError as error:
            sys.exit(error.sentence())
        return
    if mode == "recover":
        for name in ("world", "journal"):
            shutil.copytree(base / name, base / "dead" / name)
            shutil.copytree(base / name, base / "count" / name)
    points = play(base / "count", mode, -1)
    for deadly in range(points):
        fork(base / str(deadly), mode, deadly)
    print(points)  # noqa: T201 - a program


if __name__ == "__main__":
    main()
