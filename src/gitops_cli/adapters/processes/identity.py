"""Who a process is: a pid alone may be somebody else by now, pid and start time of one boot may not."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_GONE_WITHIN = 5.0
"""Seconds that a killed group may take to disappear; one in uninterruptible sleep cannot be hurried."""


class Identity(msgspec.Struct, frozen=True):
    """A process, for good; it can be written to a journal (`msgspec.structs.asdict`)."""

    pid: int
    started: int
    """Clock ticks between boot and the start: field 22 of `/proc/PID/stat`."""
    group: int
    """The process group, which is killed as a whole."""
    boot: str = ""
    """Which boot the ticks count from; empty: not asked."""


class _Stat(NamedTuple):
    state: str
    parent: int
    group: int
    session: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        data = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = data[data.rindex(b")") + 2 :].split()  # the name before it may hold spaces and parentheses
    return _Stat(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # masked in some containers
        return ""


def identity(pid: int) -> Identity | None:
    """Give who has this pid now; None when nobody has it (a zombie still does)."""
    stat = _stat(pid)
    return Identity(pid, stat.started, stat.group, _boot()) if stat else None


def _known(who: Identity) -> _Stat | None:
    """Give what `/proc` says of exactly this process."""
    stat = _stat(who.pid)
    if stat is None or stat.started != who.started:
        return None
    return stat


def _this_boot(who: Identity) -> bool:
    return not who.boot or who.boot == _boot()


def alive(who: Identity) -> bool:
    """Say whether exactly this process still runs; a zombie does not."""
    stat = _known(who) if _this_boot(who) else None
    return stat is not None and stat.state not in "ZX"


def _members(group: int) -> Iterator[tuple[int, _Stat]]:
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough
        stat = _stat(int(name)) if name.isdigit() else None
        if stat and stat.group == group and stat.state not in "ZX":
            yield int(name), stat


def _signal_group(who: Identity, number: int) -> bool:
    """Send a signal to the group if it is certainly this one; say whether anybody got it.

    With the leader gone its number is not given away while members remain, so members that started later in a
    session of that number are ours.
    """
    if who.group <= 1 or who.group == os.getpgrp() or not _this_boot(who):
        return False
    members = list(_members(who.group))
    if _known(who) is None:
        if _stat(who.pid) is not None:
            return False  # the pid is somebody else's now
        members = [(pid, stat) for pid, stat in members if stat.session == who.group]
    if not any(stat.started >= who.started for _, stat in members):
        return False
    try:
        os.killpg(who.group, number)
    except ProcessLookupError:
        return False
    return True


def _wait_gone(who: Identity, seconds: float) -> None:
    """Wait until no member is alive, at most that long."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        member = next(_members(who.group), None)
        if member is None:
            return
        try:
            descriptor = os.pidfd_open(member[0])
        except ProcessLookupError:
            continue
        try:
            select.select([descriptor], [], [], left)
        finally:
            os.close(descriptor)


def kill_group(who: Identity, *, grace: float = 0) -> None:
    """End a process group: SIGTERM and up to `grace` seconds, then SIGKILL; returns when it is gone.

    Does nothing when pid, start time and boot are not all the recorded ones, for our own group and for a
    group that has ended. A child of ours stays a zombie until it is waited for.
    """
    if grace > 0 and _signal_group(who, signal.SIGTERM):
        _signal_group(who, signal.SIGCONT)  # a stopped process would keep SIGTERM pending
        _wait_gone(who, grace)
    if _signal_group(who, signal.SIGKILL):
        _wait_gone(who, _GONE_WITHIN)


def end_all(children: Iterable[Identity | Mapping[str, object]]) -> None:
    """Kill the groups of several processes, given as identities or as they stand in a journal."""
    for child in children:
        kill_group(child if isinstance(child, Identity) else msgspec.convert(child, Identity))
