"""Pushes that the hooks let through, and hooks whose receive-pack dies."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.adapters import processes, signals
from gitops_cli.adapters.git import settings
from gitops_cli.errors import Stopped
from tests.hooks.conftest import ENTRY

if TYPE_CHECKING:
    import pytest

    from tests.hooks.conftest import Push


def refs(push: Push) -> dict[str, str]:
    rows = (row.split("\t") for row in push.git("ls-remote", "gitops").splitlines())
    return {name: oid for oid, name in rows}


def test_unbound_branches_and_tags_move_as_in_any_repository(released: Push) -> None:
    one, two = released.first, released.commit({"a": b"1"})
    assert released.push("--atomic", f"{two}:refs/heads/side", f"{one}:refs/tags/v1").code == 0
    assert refs(released) | {"HEAD": one} == {
        "HEAD": one,
        "refs/heads/main": one,
        "refs/heads/side": two,
        "refs/tags/v1": one,
    }
    assert released.push("--force", f"{one}:refs/heads/side").code == 0
    assert refs(released)["refs/heads/side"] == one
    released.git("tag", "-a", "-m", "annotated", "v2", two)
    assert released.push("v2", f"{two}:refs/heads/side", ":refs/tags/v1").code == 0
    assert refs(released)["refs/tags/v2^{}"] == two
    assert "refs/tags/v1" not in refs(released)
    assert released.push(":refs/tags/v2").code == 0
    assert released.push(":refs/heads/side").code == 0
    assert list(released.home.pushes.iterdir()) == []
    assert settings.check_hooks(released.home.repo) == []


def test_a_branch_that_releases_nothing_is_said_to(released: Push) -> None:
    answer = released.push(f"{released.first}:refs/heads/master", f"{released.first}:refs/tags/v1")
    assert answer.code == 0
    assert answer.text.count("releases to no environment") == 1
    assert "master releases to no environment; main does" in answer.text
    assert "releases to" not in released.push(":refs/heads/master").text


def test_the_environment_of_the_pusher_means_nothing(released: Push, tmp_path: Path) -> None:
    """Over the file transport the client's variables reach the hooks."""
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "msgspec.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    env = {
        "PYTHONPATH": str(tmp_path / "evil"),
        "PYTHONSTARTUP": str(tmp_path / "evil" / "msgspec.py"),
        "GIT_CONFIG_PARAMETERS": "'core.fsmonitor'='touch x'",
        "GIT_COMMITTER_NAME": "CANARY",
    }
    assert released.push(f"{released.first}:refs/heads/side", env=env).code == 0
    assert not (tmp_path / "ran").exists()


def test_names_that_exclude_each_other(released: Push) -> None:
    assert released.push(f"{released.first}:refs/heads/feat").code == 0
    answer = released.push(f"{released.first}:refs/heads/feat/x", f"{released.first}:refs/heads/other")
    assert answer.code != 0
    assert "the names of two refs exclude each other" in answer.text
    assert "refs/heads/other" not in refs(released)


def test_a_hook_whose_receive_pack_is_gone_does_nothing(released: Push) -> None:
    argv = [
        sys.executable,
        "-I",
        "-S",
        str(ENTRY),
        "pre-receive",
        ":".join(settings.import_paths()),
        "999999",
    ]
    done = subprocess.run(
        argv, input=b"", capture_output=True, check=False, cwd=released.home.repo, env=processes.clean_env()
    )
    assert done.returncode == 1
    assert b"git receive-pack has gone" in done.stderr


def test_a_hook_dies_with_its_receive_pack(released: Push, tmp_path: Path) -> None:
    """The hook waits for its input; its parent, a shell, is killed; the hook must follow at once."""
    hook = released.home.repo / "hooks" / "pre-receive"
    done = tmp_path / "pid"
    parent = subprocess.Popen(
        ["sh", "-c", f"exec 3<&0; {hook} <&3 & echo $! >{done}.new; mv {done}.new {done}; wait"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=released.home.repo,
        env=processes.clean_env(),
    )
    assert parent.stdin is not None
    watch = threading.Event()
    while not done.exists():
        watch.wait(0.01)
    pid = int(done.read_text())
    descriptor = os.pidfd_open(pid)
    while (
        b"SigCgt" not in (status := Path(f"/proc/{pid}/status").read_bytes())
        or b"python" not in status.lower()
    ):
        watch.wait(0.01)
    while "pipe_read" not in _waits(pid) and "anon_pipe" not in _waits(pid):
        watch.wait(0.01)
    parent.kill()
    parent.wait()
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        assert select.select([handle], [], [], 10)[0], "the hook lives on as an orphan"
    parent.stdin.close()


def _waits(pid: int) -> str:
    """Where a process sleeps, or that it reads the pipe that is its standard input."""
    try:
        call = Path(f"/proc/{pid}/syscall").read_text().split()
    except OSError:
        return "pipe_read"
    return "pipe_read" if call[:2] == ["0", "0x0"] else ""


def test_the_first_signal_raises_once_and_publishing_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import os, signal, sys
sys.path[:0] = PATHS
from gitops_cli.adapters import signals
from gitops_cli.errors import Stopped
signals.install()
if sys.argv[1] == "over":
    signals.ignore()
    os.kill(os.getpid(), signal.SIGTERM)
    print("published and told")
    try:
        signals.heed()
        print("not reached")
    except Stopped as error:
        print("the next one is not begun:", error.cause)
elif sys.argv[1] == "held":
    with signals.held():
        os.kill(os.getpid(), signal.SIGTERM)
        print("published")
    os.kill(os.getpid(), signal.SIGTERM)
    print("done", signals.requested())
else:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        print("not reached")
    except Stopped as error:
        os.kill(os.getpid(), signal.SIGTERM)
        print("undone", error.cause)
""".replace("PATHS", repr(settings.import_paths()))
    said = {
        how: subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, how], capture_output=True, text=True, check=True
        ).stdout
        for how in ("held", "free", "over")
    }
    assert said == {
        "held": "published\ndone True\n",
        "free": "undone stopped by SIGTERM\n",
        "over": "published and told\nthe next one is not begun: stopped by SIGTERM\n",
    }
    assert signals.requested() is False
    assert issubclass(Stopped, Exception)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
