"""The agent: one loop that settles dead journals, follows branches and heals what runs.

Each environment has a guard, a thread that only watches; all work is done here, one after another, under
the environment's lock, so a second agent or a push waits its turn and nobody fights.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from gitops_cli import releases
from gitops_cli.adapters import clock, signals
from gitops_cli.adapters.git.settings import refuse_unless_sound
from gitops_cli.errors import Bug, GitopsError, Stopped
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.steps.surroundings import surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitops_cli.adapters.home import Home
    from gitops_cli.config.remote import Environment
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.targets.protocol import Target

LOOK = 0.5
"""Seconds between two looks at the refs and journals of this machine; guards are heard at once."""
LONGEST_PAUSE = 60.0
"""Seconds until the next attempt after many that failed."""
RESYNC = 3600.0
"""Seconds after which everything is compared although nothing was heard."""


class Ward:
    """One environment that the agent looks after."""

    def __init__(self, home: Home, environment: Environment) -> None:
        """Heal first: nobody knows what happened before."""
        self.name = environment.name
        self.woken = threading.Event()
        self.woken.set()
        self._watched = _files(home, environment)
        self._seen: object = None
        self._next = 0.0
        self._failures = 0
        self._complaint = ""
        self._compared = 0.0

    def due(self) -> bool:
        """Say whether something has happened that nobody has dealt with."""
        now = clock.monotonic()
        if now < self._next:
            return False
        return self.woken.is_set() or self._look() != self._seen or now > self._compared + RESYNC

    def tend(self, home: Home, watch: Watcher) -> list[str]:
        """Deal with it; say, a line each, what was done, or once why it could not be."""
        now = clock.monotonic()
        heal = self.woken.is_set() or now > self._compared + RESYNC or bool(self._failures)
        self.woken.clear()
        seen = self._look()
        try:
            said = releases.tend(home, self.name, watch, heal=heal)
        except (Stopped, Bug):
            raise
        except GitopsError as error:
            return self._failed(error)
        self._seen = seen
        self._compared = now if heal else self._compared
        if self._failures:
            said = [*said, f"{self.name}: all is well again"]
        self._failures, self._complaint, self._next = 0, "", 0.0
        return said

    def _failed(self, error: GitopsError) -> list[str]:
        self.woken.set()
        self._failures += 1
        self._next = clock.monotonic() + min(2.0 ** (self._failures - 1), LONGEST_PAUSE)
        sentence = f"{self.name}: {error.sentence()}"
        told = [] if sentence == self._complaint else [sentence]
        self._complaint = sentence
        return told

    def _look(self) -> object:
        return [_stamp(path) for path in self._watched]


class Agent:
    """Looks after the environments of one remote."""

    def __init__(self, home: Home, say: Callable[[str], None], watch: Watcher = SILENT) -> None:
        """`say` hears a line for everything that was done. Raises `Refused` when the remote is not sound."""
        refuse_unless_sound(home.repo)
        self._home = home
        self._say = say
        self._watch = watch
        self._read()

    def _read(self) -> None:
        """Read remote.yaml and look after the environments that it has now. Raises as `surroundings` does."""
        self._settings = _stamp(self._home.config)  # before it is read: what is written then is read next
        self._around = surroundings(self._home)
        self._wards = [Ward(self._home, found) for found in self._around.remote.environments.values()]

    def once(self) -> list[str]:
        """Look at every environment once; give what was done. Raises the first `GitopsError` at the end."""
        return releases.recover(self._home, self._watch, insist=False)

    def run(self) -> None:
        """Go on until somebody stops us: `Stopped` is raised where the work is."""
        while True:
            with self._guarded() as news:
                while self._settings == _stamp(self._home.config):
                    self._look_after()
                    news.wait(LOOK)
                    news.clear()
            for line in self._read_again():
                self._say(line)

    def _look_after(self) -> None:
        for ward in self._wards:
            if ward.due():
                for line in ward.tend(self._home, self._watch):
                    self._say(line)
                signals.heed()  # a release that went through lets nothing stop what is left of it

    def _read_again(self) -> list[str]:
        """Take over what the operator has changed, and stop what runs of environments that he took out.

        While nobody can look after what remote.yaml says, all goes on as it was: he may still be writing it.
        """
        kept = self._around, self._wards
        try:
            self._read()
            self._targets()
            kept = self._around, self._wards
            return releases.stop_gone(self._home, self._watch)
        except (Stopped, Bug):
            raise
        except GitopsError as error:
            self._around, self._wards = kept
            return [error.sentence()]

    def _targets(self) -> list[tuple[Ward, Target]]:
        """Make the target of each environment, to guard it. Raises `GitopsError` where that cannot be."""
        found = [(ward, self._around.environment(ward.name)) for ward in self._wards]
        return [(ward, self._around.context(each, SILENT).target) for ward, each in found]

    @contextmanager
    def _guarded(self) -> Iterator[threading.Event]:
        """Start a guard for each environment; they end with the block."""
        news, stop = threading.Event(), threading.Event()
        threads = []
        for ward, target in self._targets():

            def wake(ward: Ward = ward) -> None:
                ward.woken.set()
                news.set()

            threads.append(threading.Thread(target=target.guard, args=(wake, stop), daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield news
        finally:
            stop.set()
            for thread in threads:
                thread.join(timeout=5)


def _files(home: Home, environment: Environment) -> list[Path]:
    """Name what changes when there is work on this machine: open journals, and a followed branch."""
    found = [home.journal(environment.name)]
    if environment.release == "following":
        found += [home.repo / environment.ref, home.repo / "packed-refs"]
    return found


def _stamp(path: Path) -> tuple[int, int, int]:
    with suppress(OSError):
        found = path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size
    return 0, 0, 0
