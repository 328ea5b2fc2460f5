"""A recorded process is found again, and nobody else is taken for it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitops_cli.adapters import processes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    started = processes.spawn(
        ["sh", "-c", "trap '' TERM; echo ready; sleep 600 & wait; sleep 600"],
        env=processes.clean_env(),
        stdout=processes.PIPE,
        stderr=processes.DEVNULL,
    )
    assert started.stdout
    started.stdout.readline()
    who = _who(started)
    yield started
    processes.kill_group(who)  # the grandchild too, when the test has ended the leader
    started.communicate(timeout=60)


def _who(child: subprocess.Popen[bytes]) -> processes.Identity:
    who = processes.identity(child.pid)
    assert who
    return who


def test_a_process_is_known_until_it_ends(child: subprocess.Popen[bytes]) -> None:
    who = _who(child)
    assert who.group == child.pid
    assert processes.alive(who)

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert not processes.alive(who)  # a zombie
    child.wait()
    assert not processes.alive(who)
    assert processes.identity(child.pid) is None


def test_the_whole_group_is_killed_also_one_that_ignores_sigterm(child: subprocess.Popen[bytes]) -> None:
    processes.kill_group(_who(child), grace=0.2)

    assert child.wait(timeout=60) == -signal.SIGKILL
    assert child.stdout
    assert child.stdout.read() == b""  # the grandchild held the pipe too


def test_one_that_obeys_sigterm_is_not_killed() -> None:
    child = processes.spawn(
        ["sh", "-c", "trap 'exit 5' TERM; echo ready; sleep 600 & wait"],
        env=processes.clean_env(),
        stdout=processes.PIPE,
        stderr=processes.DEVNULL,
    )
    assert child.stdout
    child.stdout.readline()

    processes.kill_group(_who(child), grace=30)

    assert child.wait() == 5
    child.communicate()


def test_the_rest_of_a_group_is_killed_when_its_leader_has_ended() -> None:
    child = processes.spawn(
        ["sh", "-c", "sleep 600 & echo $!; read x; exit 0"],
        env=processes.clean_env(),
        stdin=processes.PIPE,
        stdout=processes.PIPE,
        stderr=processes.DEVNULL,
    )
    who = _who(child)
    assert child.stdout
    orphan = processes.identity(int(child.stdout.readline()))
    assert child.stdin
    child.stdin.close()
    child.wait()
    assert orphan
    assert processes.alive(orphan)

    processes.kill_group(who)

    assert not processes.alive(orphan)
    child.stdout.close()


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_somebody_else_with_the_same_pid_is_left_alone(
    child: subprocess.Popen[bytes], change: dict[str, object]
) -> None:
    other = msgspec.structs.replace(_who(child), **change)

    processes.end_all([other, msgspec.structs.asdict(other)])

    assert not processes.alive(other)
    assert child.poll() is None


def test_our_own_group_is_never_killed() -> None:
    who = processes.identity(os.getpid())
    assert who

    processes.kill_group(who)  # this test would not go on


def test_an_identity_can_be_written_down(child: subprocess.Popen[bytes]) -> None:
    written = msgspec.json.decode(msgspec.json.encode(_who(child)))

    processes.end_all([written])

    assert child.wait(timeout=60) == -signal.SIGKILL


def test_free_ports_are_free() -> None:
    assert 1024 <= processes.free_port() < 65536
