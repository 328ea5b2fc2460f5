"""A machine to attack: a remote's folder, a process, sockets; and the levels that work here."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters import processes, sandbox
from tests.sandbox.tools import Ground, wait_until_gone, working

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=list(sandbox.Level))
def level(request: pytest.FixtureRequest) -> sandbox.Level:
    """Give each level that works here."""
    return working(request.param)


@pytest.fixture(params=[sandbox.Level.UID, sandbox.Level.USERNS])
def namespaced(request: pytest.FixtureRequest) -> sandbox.Level:
    """Give each level with namespaces that works here."""
    return working(request.param)


@pytest.fixture
def marker() -> Iterator[str]:
    """Give a word to put into command lines; at the end no process may have it."""
    word = f"marker-{secrets.token_hex(8)}"
    yield word
    assert wait_until_gone(word) == []


def _listener(stack: contextlib.ExitStack, family: int, address: str | tuple[str, int]) -> socket.socket:
    listener = stack.enter_context(socket.socket(family))
    listener.bind(address)
    listener.listen(64)
    return listener


@pytest.fixture
def ground(tmp_path: Path, marker: str) -> Iterator[Ground]:
    """Give something of every kind that a migration must not touch, and the socket that it may."""
    home = tmp_path / "home"
    (home / "repo.git" / "hooks").mkdir(parents=True)
    (home / "repo.git" / "HEAD").write_text("ref: refs/heads/main\n")
    (home / "secret").write_text("the operator's")
    (home / "secret").chmod(0o600)
    tools = tmp_path / "tools"
    tools.mkdir()
    script = tools / "hostile.py"
    script.write_bytes(Path(__file__).with_name("hostile.py").read_bytes())
    sockets = tmp_path / "pg"
    sockets.mkdir()
    with contextlib.ExitStack() as stack:
        tcp = _listener(stack, socket.AF_INET, ("127.0.0.1", 0))
        _listener(stack, socket.AF_UNIX, "\0" + marker)
        for path in (sockets / "s", home / "s"):
            _listener(stack, socket.AF_UNIX, os.path.relpath(path))  # a long tmp_path ends at 107 bytes
            path.chmod(0o777)
        victim = subprocess.Popen(["sleep", "600"], start_new_session=True)
        seen = subprocess.Popen(
            [sys.executable, "-S", "-c", "import signal; signal.pause()", marker], start_new_session=True
        )
        try:
            yield Ground(home, script, sockets / "s", home / "s", tcp.getsockname()[1], marker, victim)
        finally:
            for child in (victim, seen):
                child.kill()
                child.wait()


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """End what a failing test has left."""
    yield
    processes.kill_children()
