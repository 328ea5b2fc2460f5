"""How a command in a cage begins, is told things, and ends; and that nothing of it outlives anybody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_cli.adapters import processes, sandbox
from gitops_cli.errors import Unavailable
from tests.sandbox.tools import PYTHON, having, python, run, wait_until_gone, wait_until_there

FAMILY = """
import os, signal, sys
first = os.getpid()
for _ in range(2):                      # a child and a grandchild, each in a session of its own
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("there", flush=True)
if sys.argv[2] == "stay" or os.getpid() != first:
    signal.pause()
"""
TOLD = """
import signal
mask = {signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, mask)
print("there", flush=True)
while (number := signal.sigwait(mask)) != signal.SIGUSR1:
    print(int(number), flush=True)
raise SystemExit(7)
"""


def _start(level: sandbox.Level, code: str, marker: str, how: str = "stay") -> subprocess.Popen[bytes]:
    child = sandbox.start(
        sandbox.Cage(level=level),
        [*PYTHON, "-c", code, marker, how],
        env=processes.clean_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert child.stdout
    assert child.stdout.readline() == b"there\n"
    return child


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143)])
def test_the_exit_code_comes_out(level: sandbox.Level, script: str, code: int) -> None:
    assert run(sandbox.Cage(level=level), "/bin/sh", "-c", script).returncode == code


def test_signals_reach_the_command_once(level: sandbox.Level, marker: str) -> None:
    child = _start(level, TOLD, marker)
    assert child.stdout
    told = []

    os.killpg(child.pid, signal.SIGTERM)  # the whole group, as kill_group does
    told.append(child.stdout.readline())
    for number in (signal.SIGHUP, signal.SIGINT):
        child.send_signal(number)
        told.append(child.stdout.readline())
    child.send_signal(signal.SIGUSR1)

    assert [*told, child.communicate(timeout=60)[0]] == [b"15\n", b"1\n", b"2\n", b""]
    assert child.returncode == 7


@pytest.mark.row(36)
@pytest.mark.parametrize("whom", ["launcher", "group"])
def test_a_killed_launcher_takes_everything_along(level: sandbox.Level, marker: str, whom: str) -> None:
    child = _start(level, FAMILY, marker)
    assert wait_until_there(marker, 4)

    os.kill(child.pid, signal.SIGKILL) if whom == "launcher" else os.killpg(child.pid, signal.SIGKILL)

    assert wait_until_gone(marker) == []
    child.communicate()


def test_kill_group_returns_when_nothing_is_left(namespaced: sandbox.Level, marker: str) -> None:
    child = _start(namespaced, FAMILY, marker)
    assert wait_until_there(marker, 4)
    who = processes.identity(child.pid)
    assert who

    processes.kill_group(who)

    assert having(marker) == []
    child.communicate()


def test_the_end_of_the_command_is_the_end_of_all(level: sandbox.Level, marker: str) -> None:
    child = _start(level, FAMILY, marker, "leave")

    child.communicate(timeout=60)  # ends when the last holder of the pipe has ended

    assert wait_until_gone(marker) == []


STARTER = """
import subprocess, sys
from gitops_cli.adapters import processes, sandbox
child = sandbox.start(
    sandbox.Cage(level=sandbox.Level(sys.argv[1])),
    ["/bin/sleep", sys.argv[3]],
    env=processes.clean_env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    die_with_starter=sys.argv[2] == "die",
)
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["die", "stay"])
def test_a_cage_dies_with_its_starter_if_it_is_to(level: sandbox.Level, how: str) -> None:
    word = f"6{int.from_bytes(os.urandom(4), 'big'):010d}"  # seconds to sleep, and a word to look for
    source = str(Path(sandbox.__file__).parents[3])
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, level.value, how, word],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert starter.stdout
    pid = int(starter.stdout.readline())
    assert wait_until_there(f"sleep\0{word}", 1)
    who = processes.identity(pid)

    starter.kill()
    starter.communicate()

    if how == "die":
        assert wait_until_gone(f"sleep\0{word}") == []
        return
    assert having(f"sleep\0{word}")
    assert who
    processes.kill_group(who)
    assert wait_until_gone(f"sleep\0{word}") == []


@pytest.mark.row(39)
def test_the_environment_is_made_of_nothing(level: sandbox.Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/poison")
    monkeypatch.setenv("SECRET", "poison")

    got = run(sandbox.Cage(level=level), "/usr/bin/env", env={"PORT": "8080"}).stdout.decode().splitlines()

    names = {line.partition("=")[0] for line in got}
    assert names - {"TMPDIR"} == {"PATH", "HOME", "LC_ALL", "PORT"}
    assert "PORT=8080" in got


def test_a_library_to_preload_is_not_loaded_outside(level: sandbox.Level) -> None:
    # the loader complains on standard error in each process that gets the variable: in one, not in three
    done = run(sandbox.Cage(level=level), "/bin/true", env={"LD_PRELOAD": "/nonexistent-library.so"})

    assert done.stderr.count(b"nonexistent-library") == 1


def test_descriptors_are_closed_but_the_named(level: sandbox.Level) -> None:
    poison = os.open("/", os.O_RDONLY)
    os.set_inheritable(poison, True)
    ours, theirs = os.pipe()
    code = """
import os, sys
for fd in range(3, 256):
    try:
        os.fstat(fd)
        print(fd, end=" ")
    except OSError:
        pass
os.write(int(sys.argv[1]), b"through")
os.close(int(sys.argv[1]))
sys.stdout.flush()
sys.stdin.read()
"""
    child = sandbox.start(
        sandbox.Cage(level=level),
        [*PYTHON, "-c", code, str(theirs)],
        env=processes.clean_env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(theirs,),
    )
    os.close(theirs)
    os.close(poison)
    with os.fdopen(ours, "rb") as pipe:
        assert pipe.read() == b"through"  # ends while the command lives: nobody else holds it
    assert child.communicate(timeout=60)[0].split() == [str(theirs).encode()]


@pytest.mark.parametrize(("argv", "cwd"), [(["/nonexistent/program"], "/"), (["/bin/true"], "/nonexistent")])
def test_what_cannot_start_is_said_at_once(level: sandbox.Level, argv: list[str], cwd: str) -> None:
    with pytest.raises(Unavailable, match="nonexistent") as failure:
        run(sandbox.Cage(level=level), *argv, cwd=cwd)

    assert failure.value.code == "sandbox.start"


def test_a_path_that_is_missing_is_named(level: sandbox.Level) -> None:
    if level is sandbox.Level.NONE:
        pytest.skip("nothing is shown or hidden")
    with pytest.raises(Unavailable, match="/nonexistent/path"):
        run(sandbox.Cage(level=level, read=("/nonexistent/path",)), "/bin/true")


def test_nothing_stays_in_the_temporary_folder(level: sandbox.Level) -> None:
    code = "import os; open(os.path.expanduser('~/x'), 'w').close(); print(os.path.expanduser('~'))"

    home = python(sandbox.Cage(level=level), code).strip()

    assert not Path(home).exists()
