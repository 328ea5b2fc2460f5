"""Refs move here and nowhere else: in one transaction, under one lock, durable.

`git update-ref` renames its lock files one after the other, so a kill leaves locks behind and, between two
renames, some refs old and some new (measured). The lock descriptors are inherited by update-ref: while an
orphan of a killed hook still runs, nobody else gets the lock and nobody looks.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from gitops_cli.adapters import clock
from gitops_cli.adapters.files import private_dir
from gitops_cli.adapters.git import command
from gitops_cli.adapters.git.names import short
from gitops_cli.adapters.git.stale import broken_refs, clear_stale
from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadRef, Failed, GitopsError, Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.adapters.git.repo import Repo
    from gitops_cli.adapters.git.update import RefUpdate
    from gitops_cli.adapters.home import Home

__all__ = ["RefLock", "broken_refs", "clear_stale", "move", "trial"]
_ABSENT = "0" * 40
_POLL = 0.005


class RefLock:
    """The lock of every ref write of ours, for a `with`. It dies with the last process that holds `fd`."""

    def __init__(self, home: Home, timeout: float = 60.0) -> None:
        """`timeout`: seconds to wait for it."""
        self._path = home.refs_lock
        self._timeout = timeout
        self._fd = -1

    @property
    def fd(self) -> int:
        """The descriptor that holds the lock, for update-ref to inherit. Raises `Failed` when not held."""
        if self._fd < 0:
            raise Failed("the lock of the refs is not held", code="ref.unlocked")
        return self._fd

    def __enter__(self) -> Self:
        """Wait for the lock. Raises `Unavailable` (`ref.busy`) after `timeout`."""
        private_dir(self._path.parent)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._wait(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def _wait(self, fd: int) -> None:
        until = clock.monotonic() + self._timeout
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if clock.monotonic() >= until:
                    raise Unavailable(
                        f"somebody has held {self._path} for {self._timeout:.0f} s", code="ref.busy"
                    ) from None
                clock.pause(_POLL)
            else:
                return

    def __exit__(self, *_: object) -> None:
        """Let go of our descriptor."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def trial(repo: Repo, updates: Sequence[RefUpdate], fds: Sequence[int] = ()) -> None:
    """Prepare and abort: finds name conflicts, stale locks and refs that moved before anything runs.

    Hold the `RefLock`: it locks refs for a moment. Raises as `move` does.
    """
    _transact(repo, updates, b"abort\0", fds)


def move(repo: Repo, updates: Sequence[RefUpdate], fds: Sequence[int]) -> None:
    """Move all refs or none; `fds` are the descriptors of the locks that are held.

    Raises `Refused` (`ref.moved`), `BadRef` (`ref.conflict`), `Unavailable` (`ref.locked`), `Failed`. After
    `Failed` (a kill, a full disk) the refs themselves say how far it came.
    """
    _transact(repo, updates, b"commit\0", fds)


def _transact(repo: Repo, updates: Sequence[RefUpdate], end: bytes, fds: Sequence[int]) -> None:
    commands = b"".join(_command(update) for update in updates)
    done = command.call(
        repo.place,
        ["update-ref", "-z", "--stdin"],
        data=b"start\0" + commands + b"prepare\0" + end,
        ok=range(-64, 256),
        pass_fds=fds,
    )
    if done.code != 0:
        raise _why(done.err.decode("utf-8", "replace"), done.code)


def _command(update: RefUpdate) -> bytes:
    name = update.name.encode("utf-8", "surrogateescape")
    if not update.name.startswith("refs/") or any(byte <= 0x20 for byte in name):  # noqa: PLR2004 - controls, space
        raise BadRef(f"the ref name {safe(update.name, 80)} is not allowed", code="ref.name")
    if update.new == _ABSENT:
        return b"delete %s\0%s\0" % (name, update.old.encode("ascii"))
    return b"update %s\0%s\0%s\0" % (name, update.new.encode("ascii"), update.old.encode("ascii"))


def _quoted(text: str) -> str:
    """Give the first name that git put between quotes."""
    return text.partition("'")[2].partition("'")[0]


def _why(said: str, code: int) -> GitopsError:
    """Turn git's words (always English: LC_ALL is fixed) into ours."""
    line = next((line for line in said.splitlines() if line.startswith("fatal: ")), said.strip())
    name = short(_quoted(line))
    if "but expected" in line or "reference already exists" in line or "unable to resolve reference" in line:
        return Refused(
            f"{name} has moved; fetch first", code="ref.moved", next_command="git fetch, then push again"
        )
    if ".lock'" in line:
        return Unavailable(
            f"git's own lock of {name} is in the way: {safe(line)}",
            code="ref.locked",
            next_command="gitops recover",
        )
    if "cannot create" in line or "cannot process" in line:
        return BadRef(f"the names of two refs exclude each other: {safe(line)}", code="ref.conflict")
    return Failed(f"git update-ref ended with {code}: {safe(line, 300)}", code="ref.failed")
