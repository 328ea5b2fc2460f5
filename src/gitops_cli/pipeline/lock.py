"""One release at a time in an environment: the lock that a release, `recover` and the agent take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.clock import monotonic, pause
from gitops_cli.adapters.flock import Flock
from gitops_cli.adapters.processes.identity import Identity, alive, end_all
from gitops_cli.errors import Bug, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

POLL = 0.02
"""Seconds between two tries: a `flock` with a deadline does not exist."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock, for people and for telling whether that process still lives."""

    process: Identity
    number: int = 0
    """The release; 0 before it has a number."""
    actor: str = ""
    host: str = ""
    since: float = 0.0
    """Seconds since 1970, for people only."""

    def name(self) -> str:
        """Say who it is in a few words."""
        if not self.number:
            return "another gitops that has just begun"
        return f"release {self.number}{f' by {self.actor}' if self.actor else ''}"


def nobody() -> Sequence[Identity]:
    """Name no children: for locks under which nothing is started."""
    return ()


class EnvironmentLock:
    """The lock of one environment. It is free again when its last holder has ended, killed or not."""

    def __init__(self, path: Path) -> None:
        """`path` is `Home.lock(environment)`. Takes nothing yet."""
        self._flock = Flock(path)

    def take(
        self,
        me: Holder,
        *,
        seconds: float,
        waits: Callable[[Holder | None], None],
        children: Callable[[], Sequence[Identity]] = nobody,
    ) -> None:
        """Take the lock, waiting at most `seconds`; `waits` hears once whom we wait for.

        When the holder is dead and its children keep the lock, those that `children` names
        (`Journal.children`) are killed. Raises `Unavailable` when the time is over or the file cannot be
        made, and `Bug` when this process holds the lock already.
        """
        if self.held:
            raise Bug(f"{self._flock.path} is taken twice", code="lock.twice")
        until = monotonic() + seconds
        told = False
        while not self._attempt(me):
            holder = self.holder()
            if holder and holder.process == me.process:
                raise Bug(f"{self._flock.path} is taken twice", code="lock.twice")
            if self._end_orphans(holder, children) and self._attempt(me):
                return
            if not told:
                told = True
                waits(holder)
            if monotonic() >= until:
                raise self._busy(holder, seconds)
            pause(POLL)

    def announce(self, me: Holder) -> None:
        """Tell anew who holds the lock, once the release has a number. Raises `Unavailable`."""
        try:
            self._flock.write_note(msgspec.json.encode(me))
        except OSError as error:
            raise self._unusable(error) from error

    def release(self) -> None:
        """Give the lock up; a child that inherited it keeps it to its end."""
        if self.held:
            self._flock.clear_note()
            self._flock.leave()

    @property
    def fd(self) -> int:
        """The descriptor that `git update-ref` must inherit, so that nobody looks while it works."""
        return self._flock.fd

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._flock.fd >= 0

    def holder(self) -> Holder | None:
        """Tell who says that it holds the lock."""
        try:
            return msgspec.json.decode(self._flock.read_note(), type=Holder)
        except msgspec.MsgspecError:
            return None

    def _attempt(self, me: Holder) -> bool:
        try:
            taken = self._flock.attempt()
        except OSError as error:
            raise self._unusable(error) from error
        if taken:
            try:
                self.announce(me)
            except BaseException:
                self._flock.leave()
                raise
        return taken

    def _end_orphans(self, holder: Holder | None, children: Callable[[], Sequence[Identity]]) -> bool:
        """Kill the children of a dead holder; say whether it was dead.

        The children are read between two looks at the holder: a new holder says so before it starts any,
        so with the same dead holder on both sides none of them belongs to somebody who lives.
        """
        if holder is None or alive(holder.process):
            return False
        named = children()
        if self.holder() != holder:
            return False
        end_all(named)
        return True

    def _busy(self, holder: Holder | None, seconds: float) -> Unavailable:
        who = holder.name() if holder else "somebody"
        return Unavailable(
            f"{who} still holds the environment after {seconds:.0f} s",
            code="lock.busy",
            next_command="wait for it, then push again",
        )

    def _unusable(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"cannot use the lock {self._flock.path}: {error.strerror or error}", code="lock.file"
        )
