"""`--json` on every command: one envelope, for errors and usage errors too. Exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitops_cli import __version__
from gitops_cli.cli.catalogue import command_name, leaves
from tests.cli.conftest import gitops

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = [name for name, _leaf in leaves()]
ERROR = {"code", "stage", "cause", "file", "line", "changed", "next", "also"}
NEEDS = {
    "migrate create": ["a change"],
    "remote init": ["/proc/gitops-remote"],
    "demo": ["/proc/gitops-demo"],
    "agent": ["--once"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_error_has_the_whole_envelope(name: str, tmp_path: Path) -> None:
    """Outside of any repository every command fails; `init` because a folder cannot be made there."""
    place = tmp_path / "nothing"
    place.mkdir()
    extra = ["/proc/gitops-app"] if name == "init" else NEEDS.get(name, [])
    said = gitops(*name.split(), *extra, "--json", cwd=place)
    told = said.envelope
    assert said.code == 1, told
    assert (told["ok"], told["command"], told["version"]) == (False, name, __version__)
    assert set(told) == {"ok", "command", "version", "error"}
    assert set(told["error"]) == ERROR
    assert told["error"]["code"]
    assert told["error"]["cause"]
    assert said.err == ""
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_usage_error_has_the_envelope_and_exit_code_2(name: str) -> None:
    said = gitops(*name.split(), "--no-such-option", "--json")
    assert said.code == 2
    assert said.envelope["error"]["code"] == "usage"
    assert said.envelope["error"]["next"] == f"gitops {name} --help"
    assert said.err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    said = gitops(*name.split(), "--help")
    assert said.code == 0
    assert "--json" in said.out
    assert f"gitops {name}" in said.out


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["stats"], "Did you mean 'status'"),
        ([], "a command is missing"),
        (["migrate"], "a command is missing"),
        (["migrate", "create"], "Missing argument"),
        (["history", "--limit", "x"], "--limit"),
        (["init", "--remote", "x", "--no-remote"], "say the opposite"),
        (["logs", "-f"], "--app"),
        (["rollback", "-o"], "-o"),
        (["logs", "-n"], "-n"),
        (["init", "--remote", "--no-remote"], "lacks its URL"),
    ],
)
def test_usage(arguments: list[str], cause: str) -> None:
    said = gitops(*arguments)
    assert said.code == 2
    assert cause in said.err
    assert f"next: gitops {command_name(arguments)}".strip() in said.err
    assert said.out == ""


def test_the_next_command_is_the_one_that_was_typed_and_an_option_more(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert "next: gitops down --home DIR\n" in gitops("down", cwd=tmp_path).err
    subprocess.run(["git", "remote", "add", "origin", "/x/y.git"], cwd=tmp_path, check=True)
    assert "next: gitops logs 3 --remote origin, or:" in gitops("logs", "3", cwd=tmp_path).err


def test_a_wrong_folder_is_not_advised_to_become_a_project(tmp_path: Path) -> None:
    assert "next: cd into the project\n" in gitops("status", cwd=tmp_path).err
    assert "next: gitops down --home DIR, or cd into the project\n" in gitops("down", cwd=tmp_path).err


def test_a_mistyped_home_is_not_advised_to_become_a_remote(tmp_path: Path) -> None:
    error = gitops("remote", "show", "--home", str(tmp_path), "--json").envelope["error"]
    assert error["code"] == "remote.none"
    assert "init" not in error["next"]


def test_init_says_what_is_left_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    shop, commit, push = tmp_path / "shop", "  git add -A && git commit -m 'Begin'", "  git push gitops main"

    said: list[str] = []

    def left(*arguments: str, cwd: Path) -> list[str]:
        out = gitops("init", *arguments, cwd=cwd).out
        said.append(out)
        return out.partition("next:\n")[2].splitlines()

    add = "  git remote add gitops URL"
    assert left(str(shop), "--no-remote", cwd=tmp_path) == [f"  cd {shop}", commit, add, push]
    for command in (["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", *command], cwd=shop, check=True)
    assert left("--no-remote", cwd=shop) == [add, push]
    assert left("--remote", "example.org:shop.git", cwd=shop) == [push]
    assert left(cwd=shop) == []
    assert ["installed the pre-push hook" in each for each in said] == [True, False, False, False]


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["status", "abc"], "status"),
        (["migrate", "create", "x"], "migrate create"),
        (["migrate"], "migrate"),
        (["--json", "remote", "show"], "remote show"),
        (["nonsense"], ""),
        ([], ""),
    ],
)
def test_the_envelope_names_the_command(argv: list[str], name: str) -> None:
    assert command_name(argv) == name


def test_version() -> None:
    assert gitops("--version").out == f"gitops {__version__}\n"
    assert gitops("--version", "--json").envelope["data"] == {"version": __version__}


def test_an_option_is_not_taken_for_a_url(tmp_path: Path) -> None:
    said = gitops("init", "--remote", "--json", cwd=tmp_path)
    assert said.envelope["error"]["code"] == "usage"
    assert list(tmp_path.iterdir()) == []


def test_a_bug_of_ours_is_exit_code_3_with_a_report(tmp_path: Path, project: Path) -> None:
    """The program itself is broken here, by hand: nothing that a user can do may end this way."""
    script = (
        "import gitops_cli.cli.groups as groups\n"
        "def broken(): raise RuntimeError('https://user:hunter2@example.org is broken')\n"
        "import gitops_cli.cli.main as main\n"
        "main.root = broken\n"
        "raise SystemExit(main.run(['status', '--json']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "bug"
    (report,) = tmp_path.glob("gitops-report-*.txt")
    assert str(report) in error["cause"]
    text = report.read_text()
    assert "RuntimeError" in text
    assert __version__ in text
    assert "hunter2" not in text
    assert report.stat().st_mode & 0o077 == 0
    assert "Traceback" not in done.stderr


def test_ctrl_c_is_exit_code_130(project: Path) -> None:
    """`logs -f` would wait for ever; here the fetch does: its remote is a pipe that nobody writes to."""
    fifo = project / "pipe"
    os.mkfifo(fifo)
    subprocess.run(
        ["git", "config", "remote.gitops.uploadpack", f"cat {fifo}; true"], cwd=project, check=True
    )
    # a job in the background of a shell ignores SIGINT, and what it starts does too
    listen = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    child = subprocess.Popen(
        [sys.executable, "-c", listen, sys.executable, "-m", "gitops_cli", "status", "--json"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with fifo.open(
        "wb"
    ):  # opens as soon as git runs the command: then Ctrl-C reaches the whole group, as a terminal's does
        os.killpg(child.pid, signal.SIGINT)
        out, _err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted"


def test_a_reader_that_goes_away_is_no_error(project: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m gitops_cli history; echo "code $?" >&2'],
        cwd=project,
        stdout=open_closed_pipe(),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert "code 0" in done.stderr
    assert "Traceback" not in done.stderr


def open_closed_pipe() -> int:
    """Give the writing end of a pipe whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer
