"""`git update-ref` is killed at each of its renames, alone or with the whole push; so is the hook itself.

strace does it from outside: it follows the stopped hook's children and lets a signal come at the N-th call.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import pytest

from gitops_cli.adapters.git.refs import RefLock
from tests.kill import family
from tests.kill.flight import Flight
from tests.kill.table import told
from tests.kill.watching import LONG, received
from tests.support.tracing import traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kill.scene import Scene


pytestmark = [
    pytest.mark.crash,
    pytest.mark.slow,
    pytest.mark.row(55, 60, 62),
    pytest.mark.skipif(not traces(), reason="strace is not here, or may not trace"),
]
RENAME = "rename,renameat,renameat2"
MAIN, RELEASE, HEAD = "refs/heads/main.lock", "refs/gitops/releases/production.lock", "HEAD.lock"
STOPS = {
    "first lock": ("open,openat", MAIN, "old"),
    "second lock": ("open,openat", RELEASE, "old"),
    "rename 1": (RENAME, MAIN, "new"),
    "rename 2": (RENAME, RELEASE, "new"),
}
"""After which call, on which file, it is stopped and then killed; and how that must end."""


class Tracer:
    """strace on a stopped hook and all that it starts, for a `with`: one signal at the first such call."""

    def __init__(self, flight: Flight, signal: str, calls: str, file: str = "", *, number: int = 1) -> None:
        """With a file, only calls that name it count, and the children are followed."""
        self._flight = flight
        self._file = file
        self._log = flight.home.path.parent / "strace.txt"
        self._log.unlink(missing_ok=True)
        argv = ["strace", "-o", str(self._log), "-p", str(flight.hook)]
        argv += ["-f", "-P", str(flight.home.repo / file)] if file else []
        for expression in (f"trace={calls}", f"inject={calls}:signal={signal}:when={number}"):
            argv += ["-e", expression]
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        assert self._process.stderr is not None
        while "attached" not in (line := self._process.stderr.readline()):
            assert line, "strace has ended"
        self._flight.go_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # it lets go of what it follows
        self._process.communicate(timeout=LONG)

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stopped(self) -> int:
        """Wait until the signal has stopped one of them, and give its pid."""
        limit = time.monotonic() + LONG
        while "stopped by SIGSTOP" not in (rest := self.said.partition(self._file)[2]):
            assert time.monotonic() < limit, self._flight.said
            time.sleep(0.005)  # strace tells nobody
        return next(int(line.split()[0]) for line in rest.splitlines() if "stopped by SIGSTOP" in line)


@pytest.mark.parametrize("point", STOPS)
def test_update_ref_alone(scene: Scene, record_property: Callable[[str, object], None], point: str) -> None:
    """The hook lives, asks the refs, finishes or undoes, and tells the pusher the truth."""
    calls, file, ends = STOPS[point]
    scene.next()
    before = scene.picture()
    with ExitStack() as not_yet, Flight(scene.site) as flight:
        not_yet.enter_context(flight.before_the_refs())
        with Tracer(flight, "STOP", calls, file) as tracer:
            not_yet.close()
            pid = tracer.stopped()
        family.kill(pid)
        code = flight.over()
        outcome = scene.judge(before)
        assert (outcome, code == 0) == (ends, ends == "new"), flight.said
        assert scene.site.recover() == []
    told(record_property, "update-ref", point, outcome)


def test_update_ref_dies_whenever_it_is_started(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    """Half of the refs have moved and the rest cannot: the pusher hears that, and recovery moves the rest."""
    scene.next()
    before = scene.picture()
    with ExitStack() as not_yet, Flight(scene.site) as flight:
        not_yet.enter_context(flight.before_the_refs())
        with Tracer(flight, "KILL", RENAME, RELEASE) as tracer:
            not_yet.close()
            assert flight.over() != 0
        assert tracer.said.count("killed by SIGKILL") > 1
        assert "is published, but not all of it" in flight.said
        scene.site.recover()
        assert scene.judge(before) == "new"
    told(record_property, "update-ref twice", "rename 2", "new")


@pytest.mark.parametrize("point", STOPS)
@pytest.mark.parametrize("settled", ["recover", "push"])
def test_update_ref_with_the_whole_push(
    scene: Scene, record_property: Callable[[str, object], None], point: str, settled: str
) -> None:
    calls, file, ends = STOPS[point]
    scene.next()
    before = scene.picture()
    with ExitStack() as not_yet, Flight(scene.site) as flight:
        not_yet.enter_context(flight.before_the_refs())
        with Tracer(flight, "STOP", calls, file) as tracer:
            not_yet.close()
            tracer.stopped()
            family.kill(*family.of_push(flight.client), flight.client)
            flight.over()
        if settled == "push":
            scene.further()
            assert scene.site.push().code == 0
            ends = "new"
        else:
            assert any("stale lock" in line for line in scene.site.recover())
        assert scene.judge(before) == ends
    told(record_property, "update-ref, all", point, ends)


@pytest.mark.row(69)
def test_asked_to_stop_between_the_renames_of_refs_that_release_nothing(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    site, one, two = scene.site, "refs/heads/one", "refs/heads/two"
    with (
        ExitStack() as not_yet,
        Flight(site, ("git", "push", "gitops", f"HEAD:{one}", f"HEAD:{two}")) as flight,
    ):
        not_yet.enter_context(RefLock(site.home))  # it has not begun when it is stopped
        flight.stop_at("taken")
        with Tracer(flight, "STOP", RENAME, f"{one}.lock") as tracer:
            not_yet.close()
            pid = tracer.stopped()
            os.kill(flight.hook, signal.SIGTERM)
            received(flight.hook, signal.SIGTERM)
            family.go_on(pid)
            assert flight.over() == 0, flight.said
    tip = site.git("rev-parse", "HEAD")
    assert (
        site.git("ls-remote", "gitops", "refs/heads/one", "refs/heads/two") == f"{tip}\t{one}\n{tip}\t{two}"
    )
    assert site.recover() == []
    assert site.push(f":{one}", f":{two}").code == 0
    told(record_property, "hook (TERM)", "rename of others", "new")


@pytest.mark.parametrize("calls", [RENAME, "unlink,unlinkat,rmdir", "mkdir,mkdirat", "fsync"])
def test_the_hook_at_each_call(
    scene: Scene, record_property: Callable[[str, object], None], calls: str
) -> None:
    """Between the records too: at each rename, at some of the others, until it has too few of them."""
    for number in (1, 2, 3, 4, 5, 6, 7, 8, 13, 21, 34):
        scene.next()
        before = scene.picture()
        with Flight(scene.site) as flight:
            flight.stop_at("locked")
            with Tracer(flight, "KILL", calls, number=number) as tracer:
                code = flight.over()
            killed = "killed by SIGKILL" in tracer.said
            scene.site.recover()
            outcome = scene.judge(before)
            assert killed or (code, outcome) == (0, "new")
        if not killed:
            assert number > 1
            return
        told(record_property, "hook", f"{calls.partition(',')[0]} {number}", outcome)
