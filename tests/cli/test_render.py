"""What is printed: escaped, and the same for people and programs."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys

import pytest

from gitops_cli.cli import render
from gitops_cli.cli.result import Result, Table
from gitops_cli.errors import BadInput

HOSTILE = "x\x1b]0;owned\x07\x1b[2J\r\u202eevil\x9b"


@pytest.mark.row(38)
def test_nothing_of_a_push_reaches_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    done = Result({"subject": HOSTILE}, (HOSTILE,), Table(("subject",), ((HOSTILE,),)))
    render.result(done, "history", as_json=False)
    render.failure(BadInput(HOSTILE, file=HOSTILE), "history", as_json=False)
    render.Out(as_json=False).say(HOSTILE)
    shown = capsys.readouterr()
    for char in "\x1b\x07\r\u202e\x9b":
        assert char not in shown.out + shown.err
    assert "\\x1b" in shown.out


@pytest.mark.row(38)
def test_json_is_plain_ascii_and_keeps_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    render.result(Result({"subject": HOSTILE}), "history", as_json=True)
    out = capsys.readouterr().out
    assert out.isascii()
    assert not [char for char in out[:-1] if ord(char) < 0x20]
    assert json.loads(out)["data"]["subject"] == HOSTILE


def test_a_step_is_shown_while_it_runs_on_a_terminal_only() -> None:
    """A real terminal, and a real pipe: the same child once with each as its standard output."""
    code = (
        "from gitops_cli.cli.render import Out\n"
        "from gitops_cli.cli.watch import Told\n"
        "told = Told(Out(as_json=False))\n"
        "told.begins('build\\x1b[2J')\n"
        "told.ends('build', 0.1, 'done')\n"
    )
    main, terminal = pty.openpty()
    with os.fdopen(terminal, "wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    seen = ""
    with os.fdopen(main, "rb", buffering=0) as shown, contextlib.suppress(OSError):  # EIO: nobody writes
        while part := shown.read(4096):  # a terminal gives what has come so far
            seen += part.decode()
    assert seen == "\r\x1b[Kbuild\\x1b[2J ...\r\x1b[Kbuild        0.1 s  done\r\n"
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert piped.stdout == "build        0.1 s  done\n"


def test_a_subject_of_a_megabyte_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    render.result(Result({}, ("x" * (1 << 20),)), "history", as_json=False)
    assert len(capsys.readouterr().out) < 5000


def test_a_plain_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    render.result(
        Result(table=Table(("a", "long name"), (("wide cell", "1"), ("x", "2")))), "x", as_json=False
    )
    assert capsys.readouterr().out == "a          long name\nwide cell  1\nx          2\n"
