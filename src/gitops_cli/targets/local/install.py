"""Fills the cache of dependencies: each folder made once, in a cage that can write nothing else.

A virtual environment cannot be moved, so it is made at its final place and counts once its mark is there;
a folder without mark was interrupted and is made again. Whoever wants the same folder meanwhile waits.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.adapters import clock, sandbox
from gitops_cli.adapters.files import private_dir, remove_tree, write_atomic
from gitops_cli.adapters.flock import Flock
from gitops_cli.errors import Failed, StepTimeout
from gitops_cli.targets.local import installers
from gitops_cli.targets.local.caged import run_caged
from gitops_cli.targets.local.dependencies import folder, mark

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from gitops_cli.adapters.home import Home
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.targets.local.dependencies import Plan

MARK_SUFFIX = ".complete"
SOURCE_SUFFIX = ".source"
SECONDS = 900.0
"""For one installation, and for the wait until somebody else's is done."""
LIMITS = sandbox.Limits(processes=1024, open_files=8192, file_size=4 << 30, tmpfs=2 << 30)


def provide(  # noqa: PLR0913 - all but the first four by name
    home: Home,
    service: str,
    plan: Plan,
    export: Callable[[Path], None],
    *,
    level: sandbox.Level,
    watch: Watcher,
) -> str:
    """Make sure that the dependencies of a service are there; say how in a few words. Raises `Failed`."""
    if not plan.key:
        return "no dependencies"
    done = mark(home, plan)
    if done.is_file():
        os.utime(done)
        return "dependencies from the cache"
    private_dir(done.parent)
    with _Turn(Flock(done.with_suffix(".lock")), watch):
        if done.is_file():
            return "dependencies from the cache"
        began = clock.monotonic()
        watch.says(f"{service}: installing dependencies")
        for line in installers.remarks(plan):
            watch.says(f"{service}: {line}")
        _Workshop(home, service, plan, level, watch).make(export)
        write_atomic(done, b"")
        return f"{installers.count(folder(home, plan), plan)} in {clock.monotonic() - began:.0f} s"


_SYSTEM_NAMES = (
    "/etc/debian_version",
    "/etc/lsb-release",
    "/etc/os-release",
    "/etc/redhat-release",
    "/etc/alpine-release",
)
"""pip asks which system this is, and fails where it may not read the answer (Landlock)."""


class _Turn:
    """Waits for its turn; whoever died while installing has left the lock."""

    def __init__(self, lock: Flock, watch: Watcher) -> None:
        self._lock = lock
        self._watch = watch

    def __enter__(self) -> None:
        deadline = clock.monotonic() + SECONDS
        said = False
        while not self._lock.attempt():
            if not said:
                self._watch.says("waiting for the same dependencies, which another release installs")
                said = True
            if clock.monotonic() > deadline:
                raise StepTimeout(
                    "another release has installed the same dependencies for too long", code="local.wait"
                )
            clock.pause(0.1)

    def __exit__(self, *_: object) -> None:
        self._lock.leave()


class _Workshop:
    """One installation."""

    def __init__(self, home: Home, service: str, plan: Plan, level: sandbox.Level, watch: Watcher) -> None:
        self._home = home
        self._service = service
        self._plan = plan
        self._level = level
        self._watch = watch
        self._place = folder(home, plan)
        self._uid = sandbox.uid_for(home.digest, "dependencies") if level is sandbox.Level.UID else None

    def make(self, export: Callable[[Path], None]) -> None:
        """Install; leave nothing behind when it fails."""
        source = self._place.with_name(f"{self._place.name}{SOURCE_SUFFIX}")
        for path in (self._place, source):
            remove_tree(path)
        try:
            export(source)
            self._place.mkdir(mode=0o755)
            self._own(self._place)
            self._own(source)
            for command in installers.commands(self._plan, self._place, source):
                self._run(command)
        except BaseException:
            remove_tree(self._place)
            raise
        finally:
            remove_tree(source)

    def _own(self, top: Path) -> None:
        """Give a folder to the uid that installs."""
        if self._uid is None:
            return
        os.chown(top, self._uid, self._uid)
        for where, folders, files in os.walk(top):
            for name in (*folders, *files):
                os.chown(Path(where, name), self._uid, self._uid, follow_symlinks=False)

    def _run(self, command: installers.Command) -> None:
        cage = sandbox.Cage(
            level=self._level,
            read=tuple(path for path in (*command.read, *_SYSTEM_NAMES) if Path(path).exists()),
            write=(self._place, self._place.with_name(f"{self._place.name}.source")),
            hide=(self._home.path,),
            network=True,
            limits=LIMITS,
            uid=self._uid,
        )

        def start(output: int) -> subprocess.Popen[bytes]:
            return sandbox.start(
                cage, command.argv, env=command.env, cwd=command.cwd, stdout=output, stderr=output
            )

        ended = run_caged(start, timeout=SECONDS, tell=lambda _line: None)
        if ended.code == 0:
            return
        for line in ended.tail:
            self._watch.says(f"{self._service}: {line}")
        if ended.code is None:
            raise StepTimeout(
                f"the dependencies of {self._service} were not installed within {SECONDS:g} s",
                code="local.dependencies-timeout",
            )
        raise Failed(
            f"the dependencies of {self._service} cannot be installed: {installers.why(ended.tail)}",
            code="local.dependencies",
            next_command="mend the requirements, commit and push again",
        )
