"""Which process serves a data folder, and its end."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_PID_LINE, _PORT_LINE, _STATUS_LINE = 0, 3, 7
_GRACE = {signal.SIGINT: 20.0, signal.SIGQUIT: 5.0, signal.SIGKILL: 5.0}
"""Seconds after a fast shutdown, an immediate one and a kill."""


@dataclass(frozen=True)
class Postmaster:
    """The first process of a server, as `postmaster.pid` in its data folder tells it."""

    pid: int
    port: int
    ready: bool


def find(data: Path) -> Postmaster | None:
    """Tell which living process serves a data folder; a stale `postmaster.pid` names none."""
    try:
        with (data / "postmaster.pid").open("rb") as file:
            lines = file.read(8192).decode("utf-8", "replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    lines += [""] * (_STATUS_LINE + 1 - len(lines))
    try:
        pid, port = int(lines[_PID_LINE]), int(lines[_PORT_LINE] or 0)
    except ValueError:
        return None
    if not serves(pid, data):
        return None
    return Postmaster(pid, port, lines[_STATUS_LINE].strip() == "ready")


def serves(pid: int, data: Path) -> bool:
    """Say whether a process lives and was started with this data folder; a zombie has no arguments."""
    arguments = _arguments(pid)
    return any(a == b"-D" and b == os.fsencode(data) for a, b in pairwise(arguments))


def end(pid: int, data: Path, *, at_once: bool = False) -> None:
    """Stop a server: politely, then not; returns when its first process is gone.

    `at_once` leaves out the checkpoint: the next start recovers. Raises `Unavailable`.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number, seconds in _GRACE.items():
            if at_once and number == signal.SIGINT:
                continue
            if not serves(pid, data):
                return
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], seconds)[0]:
                return
    finally:
        os.close(handle)
    raise Unavailable(f"PostgreSQL (process {pid}) does not stop", code="postgres.stop")


def end_orphans(cluster: str) -> int:
    """Kill the processes that a killed server left behind, and wait for them; gives their number.

    A backend in a long statement lives on for a while, and a new server refuses to start beside it.
    What is killed here has lost its server already: nothing that it holds can still be committed.
    """
    orphans = list(_orphans(cluster))
    for _pid, handle in orphans:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    for _pid, handle in orphans:
        select.select([handle], [], [], 5.0)
        os.close(handle)
    return len(orphans)


def _orphans(cluster: str) -> Iterator[tuple[int, int]]:
    title = f"postgres: {cluster}: ".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        pid = int(folder.name)
        if b"\0".join(_arguments(pid)).startswith(title):
            with suppress(ProcessLookupError):
                yield pid, os.pidfd_open(pid)


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
