"""Every crash of a release, of its recovery and of the release after it, on a simulated disk and world.

A crash is a snapshot: at every point the tape keeps disk and world, and what a dead process knew is gone.
From each such snapshot the shipped `recover` must reach all old or all new. Two schedules that share
everything up to the crash are one and counted once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_cli.errors import JournalLost, Stuck
from gitops_cli.pipeline.protocol import SILENT
from tests.crash.disk import Platter, SimulatedDisk
from tests.crash.world import Scene, World, first_world, published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.crash.shipped import Engine

FOLDER = Path("/journal")
Fail = tuple[str, int] | None


@dataclass(frozen=True)
class State:
    """What is left of a machine when the power goes."""

    platter: Platter
    world: World

    def copy(self) -> State:
        return State(self.platter.copy(), self.world.copy())

    def crashes(self, *, every: bool = False) -> Iterator[State]:
        for platter in self.platter.crashes(every=every):
            yield State(platter, self.world)


@dataclass(frozen=True)
class Story:
    """A release to break: the state before it, its name, and the name of what was live."""

    before: State
    old: str
    new: str


@dataclass
class Tape:
    """One play: every point it passed, where it began to differ from a play without a failure, its end."""

    end: State
    points: list[State] = field(default_factory=list)
    diverged: int = 0
    result: Any = None
    raised: JournalLost | Stuck | None = None
    operations: int = 0
    moves: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Fault:
    """Makes the disk refuse one operation, or all from there on."""

    at: int = -1
    for_ever: bool = False


class Broken(AssertionError):
    """A schedule after which something is neither old nor new."""


class Sweep:
    """Plays schedules with one engine and counts them by kind."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.counts: Counter[str] = Counter()
        self._where: tuple[object, ...] = ()
        self._tapes: dict[Fail, Tape] = {}
        empty = State(Platter(), first_world("r0"))
        first = self.release(Story(empty, "r0", "r1"))
        self.story = Story(first.end, "r1", "r2")
        self.clean = self.release(self.story)
        self.judge(self.clean.end, self.clean.end, self.story)

    # -- plays ---------------------------------------------------------------------------------------

    def release(
        self, story: Story, *, fail: Fail = None, fail_undo: str = "", fault: Fault | None = None
    ) -> Tape:
        def play(journal: Any, scene: Scene) -> Any:
            scene.fail, scene.fail_undo = fail, fail_undo
            number = journal.next_number()
            release = self.engine.Release(
                number=number, id=story.new, environment="production", commit="c" * 40, tree="t" * 40
            )
            return self.engine.run(scene.steps(), release, journal, SILENT)

        return self._play(story.before, play, fault or Fault(), record=True)

    def recover(self, crashed: State, *, record: bool = False, fault: Fault | None = None) -> Tape:
        def play(journal: Any, scene: Scene) -> Any:
            return self.engine.recover(journal, lambda _release: scene.steps(), SILENT)

        return self._play(crashed, play, fault or Fault(), record=record)

    def _play(self, start: State, action: Callable[[Any, Scene], Any], fault: Fault, *, record: bool) -> Tape:
        end = start.copy()
        tape = Tape(end)

        def keep() -> None:
            if not tape.points or end != tape.points[-1]:  # after one effect is before the next one
                tape.points.append(end.copy())

        def skip() -> None:
            return

        def failed() -> None:
            tape.diverged = len(tape.points)

        disk = SimulatedDisk(end.platter, keep if record else skip)
        disk.fails_at, disk.fails_for_ever = fault.at, fault.for_ever
        scene = Scene(end.world, disk.point)
        scene.failed = failed
        try:
            tape.result = action(self.engine.Journal(FOLDER, disk), scene)
        except (JournalLost, Stuck) as error:
            tape.raised = error
        tape.operations, tape.moves = disk.operations, scene.moves
        return tape

    # -- what must hold ------------------------------------------------------------------------------

    def settle(self, kind: str, crashed: State, story: Story, *where: object) -> State:
        """Recover from a crash and judge; give what is there afterwards."""
        self.counts[kind] += 1
        self._where = (kind, *where)
        try:
            tape = self.recover(crashed)
        except Exception as error:
            raise self._broken(f"recovery raised {type(error).__name__}: {error}") from error
        self._must(tape.raised is None, f"recovery raised {tape.raised}")
        self.judge(crashed, tape.end, story)
        return tape.end

    def judge(self, crashed: State, after: State, story: Story) -> None:
        """All new if either ref had moved, else all old; no leftover; the journal closed and durable."""
        new = published(crashed.world, story.new)
        expected = first_world(story.new if new else story.old)
        self._must(after.world == expected, f"the world is {after.world}, not {expected}")
        platter = after.platter
        self._must(platter.names == platter.safe_names and not platter.pending, "a name is not durable")
        self._must(
            all(platter.safe[i] == platter.data[i] for i in platter.names.values()), "bytes not durable"
        )
        self._must(all("/done/" in name for name in platter.names), "a journal is open")
        disk = SimulatedDisk(platter, lambda: None)
        journal = self.engine.Journal(FOLDER, disk)
        newest = journal.finished(1)
        told = (newest[0].release.id, newest[0].outcome) if newest else None
        files, before = platter.files(), story.before.platter.files()
        older = {name: data for name, data in files.items() if name in before}
        self._must(older == before, "the journal of an older release has changed")
        endings = [(story.new, "released")] if new else [(story.new, "refused"), (story.new, "undone")]
        not_begun = not new and files == before
        self._must(not_begun or told in endings, f"the journal tells {told}")
        again = self.engine.recover(journal, lambda _release: [], SILENT)
        self._must(again is None and disk.operations == 0, "the second recovery did something")

    def _must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise self._broken(otherwise)

    def _broken(self, what: str) -> Broken:
        return Broken(f"{what}; schedule {self._where}")

    # -- schedules -----------------------------------------------------------------------------------

    def fails(self) -> list[Fail]:
        """Every move of every step at which it can fail, and none."""
        return [None, *self.clean.moves]

    def tape(self, fail: Fail) -> Tape:
        """Play the release with this failure and no crash; once."""
        if fail in self._tapes:
            return self._tapes[fail]
        tape = self._tapes[fail] = self.release(self.story, fail=fail)
        self.counts["refusal or release without a crash"] += 1
        self._where = ("no crash", fail)
        self._must(tape.raised is None, f"the release raised {tape.raised}")
        self.judge(tape.end, tape.end, self.story)
        return tape

    def crash(self, fail: Fail, *, every: bool = True) -> None:
        """The power goes at each point; every prefix of what was not synced, and what may follow it."""
        for number, point in _own(self.tape(fail)):
            for tail, crashed in enumerate(point.crashes(every=every)):
                self.settle("crash", crashed, self.story, fail, number, tail)

    def crash_in_recovery(self, fail: Fail, *, stride: int = 1) -> None:
        """The power goes at each point, and again at each point of the recovery."""
        for number, point in _own(self.tape(fail), stride):
            crashed = _worst(point)
            for second, state in enumerate(self.recover(crashed, record=True).points):
                for tail, again in enumerate(state.crashes()):
                    self.settle("crash in recovery", again, self.story, fail, number, second, tail)

    def further_release(self, fail: Fail, *, stride: int = 1, kills: int = 7) -> None:
        """After a crash and its recovery another release runs, fails somewhere and is killed too."""
        fails = self.fails()
        for number, point in _own(self.tape(fail), stride):
            after = self.settle("crash", _worst(point), self.story, fail, number)
            live = self.story.new if published(after.world, self.story.new) else self.story.old
            story = Story(after, live, "r3")
            next_fail = fails[number % len(fails)]
            points = self.release(story, fail=next_fail).points
            for kill in range(number % kills, len(points), max(1, len(points) // kills)):
                for tail, crashed in enumerate(points[kill].crashes()):
                    self.settle("further release", crashed, story, fail, number, next_fail, kill, tail)

    def stuck(self, fail: Fail) -> None:
        """An undo fails too, and the power may go: the next recovery gets it done."""
        if fail is None:
            return
        for name in dict.fromkeys(step for step, _ in self.clean.moves):
            tape = self.release(self.story, fail=fail, fail_undo=name)
            self._where = ("stuck", fail, name)
            reached = [step for step, _ in tape.moves]
            self._must(isinstance(tape.raised, Stuck) == (name in reached and not _new(tape)), "stuck or not")
            if tape.raised:
                for tail, crashed in enumerate([tape.end, *tape.end.crashes()]):
                    self.settle("undo fails", crashed, self.story, fail, name, tail)

    def disk_fails(self, fail: Fail) -> None:
        """The disk refuses an operation, once or from then on: all is put back at once, and stays so."""
        for at in range(self.tape(fail).operations):
            for fault in (Fault(at), Fault(at, for_ever=True)):
                tape = self.release(self.story, fail=fail, fault=fault)
                self._where = ("disk fails", fail, fault)
                self._must(not isinstance(tape.raised, Stuck), f"stuck: {tape.raised}")
                if not _new(tape):
                    self._must(tape.raised is not None, "the process went on without a journal")
                    self._must(tape.end.world == self.story.before.world, "not put back at once")
                for tail, crashed in enumerate(tape.end.crashes()):
                    self.settle("disk fails", crashed, self.story, fail, fault, tail)

    def disk_fails_in_recovery(self, fail: Fail, *, stride: int = 1) -> None:
        """The disk refuses an operation of the recovery; the next one, on a sound disk, gets it done."""
        for number, point in _own(self.tape(fail), stride):
            crashed = _worst(point)
            for at in range(self.recover(crashed).operations):
                tape = self.recover(crashed, fault=Fault(at, for_ever=True))
                for tail, again in enumerate(tape.end.crashes()):
                    self.settle("disk fails in recovery", again, self.story, fail, number, at, tail)

    def all(self, fail: Fail) -> None:
        """Every kind of schedule for one failing move."""
        self.crash(fail)
        self.crash_in_recovery(fail)
        self.further_release(fail)
        self.stuck(fail)
        self.disk_fails(fail)
        self.disk_fails_in_recovery(fail, stride=4)

    def reduced(self) -> None:
        """The quick kinds first, a part of each: enough to catch a broken engine."""
        for fail in self.fails():
            self.crash(fail, every=False)
        for fail in self.fails():
            self.stuck(fail)
            self.disk_fails(fail)
        self.crash(None)
        for fail in self.fails()[::3]:
            self.crash_in_recovery(fail, stride=5)
            self.further_release(fail, stride=5)
            self.disk_fails_in_recovery(fail, stride=9)


def _own(tape: Tape, stride: int = 1) -> list[tuple[int, State]]:
    """Give the points at which this play differs from the one without a failure."""
    return list(enumerate(tape.points))[tape.diverged :: stride]


def _worst(point: State) -> State:
    """Of all crashes of a point one that leaves a torn record with garbage behind it, if there is one."""
    found = list(point.crashes())
    return found[len(found) // 2]


def _new(tape: Tape) -> bool:
    return published(tape.end.world, "r2")
