"""One lock an environment, with real processes: waited for, inherited, freed by death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.processes.identity import Identity, alive, identity
from gitops_cli.errors import Bug, Unavailable
from gitops_cli.pipeline.lock import EnvironmentLock, Holder
from tests.pipeline.conftest import ENV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOLD = """
import os, subprocess, sys
from pathlib import Path
from gitops_cli.adapters.processes.identity import identity
from gitops_cli.pipeline.lock import EnvironmentLock, Holder
lock = EnvironmentLock(Path(sys.argv[1]))
lock.take(Holder(process=identity(os.getpid()), number=17, actor="anna"), seconds=5, waits=print)
child = ""
if "child" in sys.argv:
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    child = subprocess.Popen(["sleep", "600"], pass_fds=[lock.fd], start_new_session=True, **streams).pid
print(child or "held", flush=True)
sys.stdin.read()
if "leave" in sys.argv:
    lock.release()
    print("left", flush=True)
    sys.stdin.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "production.lock"


@pytest.fixture
def start(path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a function that starts a process which holds the lock until its input ends."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path), *words],
            env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def me(number: int = 0) -> Holder:
    who = identity(os.getpid())
    assert who is not None
    return Holder(process=who, number=number, actor="bert")


def never(holder: Holder | None) -> None:
    raise AssertionError(holder)


def test_a_free_lock_is_taken_at_once_and_says_who_has_it(path: Path) -> None:
    lock = EnvironmentLock(path)
    assert lock.holder() is None
    lock.take(me(), seconds=0, waits=never)
    assert lock.held
    assert os.get_inheritable(lock.fd) is False
    lock.announce(me(18))
    assert EnvironmentLock(path).holder() == me(18)
    lock.release()
    lock.release()
    assert (lock.held, lock.holder()) == (False, None)
    assert [name.name for name in path.parent.iterdir()] == ["production.lock"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.row(59)
def test_the_second_waits_and_says_for_whom(path: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    first = start("leave")
    assert said(first) == "held"
    heard: list[str] = []

    def waits(holder: Holder | None) -> None:
        heard.append(holder.name() if holder else "")
        assert first.stdin is not None
        first.stdin.close()  # from here on it leaves

    lock = EnvironmentLock(path)
    lock.take(me(), seconds=30, waits=waits)
    assert heard == ["release 17 by anna"]
    lock.release()


@pytest.mark.row(59)
def test_waiting_ends(path: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    assert said(start()) == "held"
    with pytest.raises(Unavailable, match="release 17 by anna still holds the environment"):
        EnvironmentLock(path).take(me(), seconds=0.1, waits=lambda _: None)


@pytest.mark.row(56)
def test_a_killed_holder_frees_the_lock(path: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    first = start()
    assert said(first) == "held"
    first.kill()
    first.wait()
    lock = EnvironmentLock(path)
    assert lock.holder() is not None  # its note is still there
    lock.take(me(), seconds=5, waits=never)
    assert lock.holder() == me()
    lock.release()


@pytest.mark.row(56)
def test_orphans_of_a_killed_holder_are_killed_before_waiting(
    path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    first = start("child")
    child = identity(int(said(first)))
    assert child is not None
    lock = EnvironmentLock(path)
    with pytest.raises(Unavailable):  # the holder lives: its child is no orphan
        lock.take(me(), seconds=0, waits=lambda _: None, children=lambda: [child])
    assert alive(child)
    first.kill()
    first.wait()
    with pytest.raises(Unavailable):  # nobody names the child: it keeps the lock
        lock.take(me(), seconds=0, waits=lambda _: None)
    lock.take(me(), seconds=10, waits=never, children=lambda: [child])
    assert not alive(child)
    lock.release()


def test_a_child_of_a_new_holder_is_never_killed(
    path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Between two looks somebody else took the lock: what is named then may be theirs."""
    first = start("child")
    child = identity(int(said(first)))
    assert child is not None
    first.kill()
    first.wait()
    lock = EnvironmentLock(path)

    def children() -> list[Identity]:
        lock.announce(Holder(process=Identity(os.getppid(), 1, 1), number=99))
        return [child]

    with pytest.raises(Unavailable):
        lock.take(me(), seconds=0, waits=lambda _: None, children=children)
    assert alive(child)
    os.kill(child.pid, signal.SIGKILL)


def test_leaving_does_not_take_the_lock_from_a_child(path: Path) -> None:
    lock = EnvironmentLock(path)
    lock.take(me(), seconds=0, waits=never)
    with subprocess.Popen(["sleep", "600"], pass_fds=[lock.fd]) as child:
        lock.release()
        with pytest.raises(Unavailable, match="somebody still holds"):
            EnvironmentLock(path).take(me(), seconds=0, waits=lambda _: None)
        child.kill()
    lock.take(me(), seconds=5, waits=never)
    lock.release()


def test_taking_it_twice_is_a_bug(path: Path) -> None:
    lock = EnvironmentLock(path)
    lock.take(me(), seconds=0, waits=never)
    for again in (lock, EnvironmentLock(path)):
        with pytest.raises(Bug):
            again.take(me(), seconds=0, waits=never)
    lock.release()


def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file")
    with pytest.raises(Unavailable, match="cannot use the lock"):
        EnvironmentLock(tmp_path / "locks" / "production.lock").take(me(), seconds=0, waits=never)


@pytest.mark.row(59)
def test_of_many_at_once_each_gets_it_alone(path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        lock = EnvironmentLock(path)
        who = Holder(process=Identity(number + 1_000_000_000, 1, 1), number=number)
        lock.take(who, seconds=30, waits=lambda _: None)
        inside.append(number)
        most.append(len(inside))
        inside.remove(number)
        lock.release()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] * 12
