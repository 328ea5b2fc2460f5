"""Programs are started with nothing inherited, and bounded in time and output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from gitops_cli.adapters import processes
from gitops_cli.errors import Failed, LimitExceeded, StepTimeout, Unavailable


def test_run_gives_code_output_and_errors() -> None:
    done = processes.run(["sh", "-c", "cat; echo no >&2; exit 3"], data=b"yes")

    assert done == processes.Done(3, b"yes", b"no\n")


def test_more_than_a_pipe_goes_in_and_out() -> None:
    data = os.urandom(1 << 20)

    assert processes.run(["cat"], data=data).out == data


def test_a_program_need_not_read_its_input() -> None:
    assert processes.run(["true"], data=bytes(1 << 20)).code == 0


def test_the_environment_is_made_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/poison")

    got = processes.run(["/usr/bin/env"]).out.decode().split()

    assert sorted(got) == ["HOME=/nonexistent", "LC_ALL=C.UTF-8", f"PATH={processes.clean_env()['PATH']}"]
    assert processes.clean_env({"HOME": "/x", "A": "b"})["HOME"] == "/x"


def test_descriptors_are_closed_but_the_named() -> None:
    ours, theirs = os.pipe()
    try:
        os.set_inheritable(ours, True)
        code = "import os\nfor n in range(3, 99):\n try: os.fstat(n); print(n)\n except OSError: pass"
        done = processes.run([sys.executable, "-I", "-c", code], pass_fds=(theirs,))
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.out.split() == [str(theirs).encode()]


@pytest.mark.parametrize(
    ("argv", "error", "kwargs"),
    [
        (["sleep", "60"], StepTimeout, {"timeout": 0.2}),
        (["cat", "/dev/zero"], LimitExceeded, {"limit": 100_000}),
        (["sh", "-c", "cat /dev/zero >&2"], LimitExceeded, {"limit": 100_000}),
        (["sh", "-c", "echo first; echo last >&2; exit 2"], Failed, {"check": True}),
        (["/nonexistent/program"], Unavailable, {}),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    argv: list[str], error: type[Exception], kwargs: dict[str, float]
) -> None:
    with pytest.raises(error) as failure:
        processes.run(argv, **kwargs)  # type: ignore[arg-type]  # a table of different ones

    assert "\n" not in str(failure.value)


def test_nothing_of_the_group_outlives_the_call() -> None:
    before = time.monotonic()

    done = processes.run(["sh", "-c", "sleep 600 & echo $!"])

    assert time.monotonic() - before < 60
    who = processes.identity(int(done.out))
    while who and processes.alive(who) and time.monotonic() - before < 60:
        time.sleep(0.001)  # it has its SIGKILL and may not have died of it yet
    assert who is None or not processes.alive(who)


def test_children_die_when_told_from_a_signal_handler() -> None:
    begun = threading.Event()
    codes: list[int] = []

    def work() -> None:
        begun.set()
        codes.append(processes.run(["sleep", "600"]).code)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    while thread.is_alive():
        processes.kill_children()
        thread.join(0.01)

    assert codes == [-signal.SIGKILL]


PARENT = """
import sys
from gitops_cli.adapters import processes
child = processes.spawn(
    [sys.executable, "-c", "from gitops_cli.adapters import processes; import signal, sys;"
     "processes.die_with_parent(signal.SIGTERM); print('there', flush=True); signal.pause()"],
    env={"PYTHONPATH": sys.argv[1]}, stdout=None, stderr=None)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_child_dies_with_its_parent_if_it_asked_to() -> None:
    source = os.path.dirname(os.path.dirname(sys.modules["gitops_cli"].__file__ or ""))  # noqa: PTH120
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert parent.stdout
    lines = [parent.stdout.readline(), parent.stdout.readline()]
    child = int(next(line for line in lines if line != b"there\n"))
    who = processes.identity(child)
    assert who
    assert processes.alive(who)

    parent.kill()

    assert parent.stdout.read() == b""  # ends when the child, which has the same pipe, has ended
    parent.communicate()
