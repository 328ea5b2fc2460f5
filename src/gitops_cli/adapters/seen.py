"""The list of updates that pre-receive passed, kept for proc-receive under receive-pack's pid and start time.

git keeps from proc-receive every ref that it refuses itself (hidden, shallow, objects missing) and lets the
rest go on, also under `--atomic`. proc-receive refuses everything unless it got exactly this list.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from gitops_cli.adapters import processes
from gitops_cli.adapters.files import private_dir, read_or_none
from gitops_cli.errors import BadRef, Failed

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.home import Home


def _file(home: Home, pid: int) -> Path:
    who = processes.identity(pid)
    if who is None:
        raise Failed("git receive-pack has gone", code="hook.parent")
    return home.pushes / f"{pid}-{who.started}"


def remember(home: Home, pid: int, lines: bytes) -> None:
    """Keep what pre-receive read for the receive-pack of this pid; drop what dead ones left."""
    private_dir(home.state)
    private_dir(home.pushes)
    sweep(home)
    file = _file(home, pid)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(lines)


def take(home: Home, pid: int) -> bytes:
    """Give and forget what pre-receive passed. Raises `BadRef` (`push.unseen`) when it has not run."""
    file = _file(home, pid)
    found = read_or_none(file)
    if found is None:
        raise BadRef(
            "pre-receive has not seen this push",
            code="push.unseen",
            next_command=f"gitops remote init {home.path}",
        )
    file.unlink(missing_ok=True)
    return found


def sweep(home: Home) -> None:
    """Drop what pre-receive kept for a receive-pack that has died since."""
    try:
        files = list(home.pushes.iterdir())
    except FileNotFoundError:  # nobody has pushed yet
        return
    for file in files:
        pid, _, started = file.name.partition("-")
        who = processes.identity(int(pid)) if pid.isdigit() else None
        if who is None or str(who.started) != started or not processes.alive(who):
            with contextlib.suppress(OSError):
                file.unlink()
