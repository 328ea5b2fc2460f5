"""The words of the sandbox: levels, limits, a cage."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path

import msgspec

MIB = 1024 * 1024


class Level(StrEnum):
    """What separates pushed code from this machine, strongest first."""

    UID = "uid"
    """Root: another uid, and pid, network, mount and ipc namespaces."""
    USERNS = "userns"
    """The same namespaces by a user namespace; the uid stays the operator's, but sees none of their files."""
    LANDLOCK = "landlock"
    """Where namespaces are forbidden: Landlock rules on files, TCP, signals and abstract sockets."""
    NONE = "none"
    """Nothing but limits, an own process group and an environment built from nothing."""

    @property
    def namespaced(self) -> bool:
        """Whether the command has a root folder and a process table of its own."""
        return self in (Level.UID, Level.USERNS)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one cage may use. None: no limit of ours."""

    cpu: int | None = None
    """Seconds of processor time for each process."""
    memory: int | None = None
    """Bytes of address space for each process."""
    processes: int = 256
    """Processes and threads in the cage (`landlock` and `none`: on top of what the user runs already;
    Linux does not hold uid 0 to it there)."""
    file_size: int = 256 * MIB
    """Bytes of one file."""
    open_files: int = 1024
    tmpfs: int = 256 * MIB
    """Bytes written to /tmp, /var/tmp, /dev/shm and HOME together (`uid` and `userns` only)."""


class Cage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command runs and what it sees of this machine."""

    level: Level
    read: tuple[str | Path, ...] = ()
    """Files and folders that it sees, read-only, at their own paths. At level `uid` their modes must let
    others read. A folder of Unix sockets belongs here: a read-only mount does not hinder `connect`."""
    write: tuple[str | Path, ...] = ()
    """Folders that it may write; at level `uid` they must belong to `uid`."""
    show: tuple[tuple[str, str], ...] = ()
    """(folder, path inside): seen read-only under another path (`uid` and `userns`; elsewhere nothing)."""
    hide: tuple[str | Path, ...] = ()
    """Folders that it must not see even if they lie below one that it sees (the remote's folder)."""
    network: bool = False
    """False: no network at all, and no abstract Unix sockets of the machine. True: the machine's network."""
    limits: Limits = Limits()
    uid: int | None = None
    """Level `uid` only; see `uid_for`."""


class Probe(msgspec.Struct, frozen=True):
    """The level that works here, and why it is no stronger one (empty: it is the strongest)."""

    level: Level
    reason: str = ""


def uid_for(*words: str) -> int:
    """Give the uid that belongs to these words (the remote's digest, environment, purpose), on this machine.

    From 1.9e9 on nobody hands out uids (systemd's UIDS-GIDS); in a container that maps fewer, 20000 on.
    """
    number = int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:8], "big")
    uid = 1_900_000_000 + number % 100_000_000
    return uid if _mapped(uid) else 20_000 + number % 30_000


def _mapped(uid: int) -> bool:
    for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines():
        first, _, count = map(int, line.split())
        if first <= uid < first + count:
            return True
    return False
