"""What a developer's checkout knows of the releases: the record, fetched like any other refs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.git.names import HEADS
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadInput, Refused, Unavailable
from gitops_cli.pipeline.journal import Journal
from gitops_cli.pipeline.model import Finished, Release
from gitops_cli.scaffold.remote import home_of, may_operate, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitops_cli.adapters.checkout import Checkout
    from gitops_cli.adapters.home import Home

THERE = "refs/gitops/releases/"
_LONGEST = 10_000
"""Releases of one environment that are looked through for a commit."""


class Recorded(msgspec.Struct, frozen=True):
    """One release as its record tells it: the commit of the record, and what it says."""

    record: str
    told: Finished


class Known:
    """The fetched records of one git remote."""

    def __init__(self, checkout: Checkout, remote: str) -> None:
        """`remote` is the git remote's name. Raises `Refused` when there is no such remote."""
        self.checkout = checkout
        self.remote = remote
        self.url = checkout.remotes.get(remote, "")
        if not self.url:
            raise Refused(
                f"there is no git remote {remote}",
                code="checkout.no-remote",
                next_command=_another(checkout.remotes),
            )
        self._here = f"refs/gitops/remotes/{remote}/"
        self.repo = Repo(checkout.git_dir)

    @property
    def home(self) -> Home | None:
        """The remote's folder when it is on this machine and ours to read."""
        home = home_of(self.url)
        return home if home is not None and may_operate(home) else None

    def fetch(self) -> Known:
        """Fetch records and branches. Raises `Unavailable`."""
        self.checkout.fetch(
            self.remote, f"+{THERE}*:{self._here}*", f"+refs/heads/*:refs/remotes/{self.remote}/*"
        )
        return self

    def environments(self) -> dict[str, str]:
        """Give each environment that has a record, and the newest commit of that record."""
        return {name.removeprefix(self._here): oid for name, oid in self.repo.refs(self._here).items()}

    def releases(self, environment: str) -> Iterator[Recorded]:
        """Give the releases of an environment, newest first."""
        record = self.environments().get(environment, "")
        for _ in range(_LONGEST):
            if not record:
                return
            told = self._told(record)
            yield Recorded(record, told)
            parents = self.repo.commit(record).parents
            # parent 1 is the release before; the first release has only the commit it released
            record = parents[0] if parents and parents[0] != told.release.commit else ""

    def output(self, record: str) -> str:
        """Give everything that a release printed."""
        return self.repo.read_path(record, "output.txt").decode("utf-8", "replace")

    def branch(self, environment: str) -> str:
        """Name the branch that releases to an environment, as its newest release tells it; empty: unknown."""
        for recorded in self.releases(environment):
            release = recorded.told.release
            # an older record lists every ref of the push; where several fit, one before it may say which
            fit = [release.ref] if release.ref else [u.name for u in release.refs if u.new == release.commit]
            names = {name for name in fit if name.startswith(HEADS)}
            if len(names) == 1:
                return names.pop().removeprefix(HEADS)
        return ""

    def choose(self, environment: str, *, released: bool = True) -> str:
        """Pick the environment that a command means; `released`: of those that have. Raises `Refused`."""
        names = list(self.environments()) if released else self.remote_environments()
        if environment in names:
            return environment
        bound = {} if released else self._branches()
        here = [name for name in names if (bound.get(name) or self.branch(name)) == self.checkout.branch]
        if not environment and len(here or names) == 1:
            return (here or names)[0]
        where = f"git remote {self.remote}"
        if environment:
            known = self.remote_environments()
            there = f"; it has the environments {', '.join(known)}" if known else ""
            raise Refused(
                f"{where} has no releases of {environment}" + ("" if environment in known else there),
                code="release.none",
                next_command=self._first() if environment in known else "gitops status",
            )
        if not names:
            raise Refused(f"{where} has no releases yet", code="release.none", next_command=self._first())
        raise Refused(
            f"there are several environments: {', '.join(sorted(names))}",
            code="release.which",
            next_command="the same with --environment NAME",
        )

    def not_released(self, environment: str) -> list[Finished]:
        """Give the refused and undone releases that only the remote's own disk tells of, newest first."""
        if self.home is None:
            return []
        try:
            found = Journal(self.home.journal(environment)).finished(limit=500)
        except (Unavailable, OSError):  # another account's remote: its journals are not ours to read
            return []
        return [each for each in found if each.outcome != "released"]

    def open_release(self, environment: str) -> Release | None:
        """Give the release that runs now, or that was cut off, where the remote's disk can be read."""
        if self.home is None:
            return None
        try:
            return Journal(self.home.journal(environment)).open_release()
        except (Unavailable, OSError):
            return None

    def remote_environments(self) -> list[str]:
        """Name every environment, also those of a local remote that has released nothing yet."""
        return sorted({*self.environments(), *self._branches()})

    def _branches(self) -> dict[str, str]:
        """Give the environments of a remote on this machine, and the branch that releases to each."""
        found = show(self.home)["environments"] if self.home is not None else {}
        return {name: told["branch"] for name, told in found.items()}

    def _first(self) -> str:
        """Say how to get a first release: a push of this branch need not be one."""
        branch, bound = self.checkout.branch or "main", self._branches().values()
        return "gitops status" if bound and branch not in bound else f"git push {self.remote} {branch}"

    def _told(self, record: str) -> Finished:
        try:
            return msgspec.json.decode(self.repo.read_path(record, "release.json"), type=Finished)
        except msgspec.MsgspecError as error:
            raise BadInput(
                f"the record {record[:7]} of a release cannot be read", code="record.bad"
            ) from error


def _another(remotes: Mapping[str, str]) -> str:
    """Say how to name the remote: in a clone of it, it is called origin."""
    if not remotes:
        return "gitops init"
    return f"the same with --remote {safe(next(iter(remotes)), 60)}, or: git remote add gitops URL"
