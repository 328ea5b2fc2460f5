"""`gitops rollback`: one ordinary push of a forward commit whose tree is that of an earlier release."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.text import safe
from gitops_cli.errors import Failed, Refused, Unavailable
from gitops_cli.scaffold.known import Known, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitops_cli.adapters.checkout import Checkout

_LOSS = re.compile(r"-o accept-loss=[^\s;]+")
"""As the refusal of a push names what would be lost."""


class RolledBack(msgspec.Struct, frozen=True, kw_only=True):
    """What a rollback did."""

    environment: str
    release: int
    """The number of the release whose tree it is."""
    commit: str
    branch: str
    local_branch: str
    """`moved`, or why the branch of the checkout stayed where it was."""


def rollback(  # noqa: PLR0913 - what a person may choose
    checkout: Checkout,
    *,
    release: int = 0,
    environment: str = "",
    options: Sequence[str] = (),
    remote: str = "gitops",
    say: Callable[[str], None],
) -> RolledBack:
    """Go back to a release (0: the one before the last).

    Raises `Refused`, and `Failed` when the push is refused or releases nothing.
    """
    if not checkout.is_clean():
        raise Refused(
            "the working tree has changes that are not committed",
            code="rollback.unclean",
            next_command="git stash, or git commit",
        )
    known = Known(checkout, remote).fetch()
    name = known.choose(environment)
    branch = known.branch(name)
    tip = checkout.resolve(f"refs/remotes/{remote}/{branch}") if branch else ""
    if not tip:
        raise Refused(f"{remote} has no branch that releases to {name}", code="rollback.no-branch")
    chosen = _chosen(known, name, release, known.repo.tree_of(tip))
    commit = checkout.commit_tree(chosen.told.release.tree, tip, _message(chosen))
    number, before = chosen.told.release.number, known.environments()[name]
    say(f"pushing {commit[:7]} to {branch}: the tree of release {number}")
    asked: dict[str, None] = {}

    def hear(line: str) -> None:
        asked.update(dict.fromkeys(_LOSS.findall(line)))
        say(line)

    if checkout.push(remote, f"{commit}:refs/heads/{branch}", options, hear) != 0:
        raise Failed(
            "the push was refused; its reasons are above",
            code="rollback.refused",
            next_command=_again(number, [*(f"-o {option}" for option in options), *asked] if asked else []),
        )
    _insist(known, name, before, commit, branch)
    return RolledBack(
        environment=name,
        release=number,
        commit=commit,
        branch=branch,
        local_branch=_follow(checkout, branch, commit),
    )


def _again(number: int, options: Sequence[str]) -> str:
    """Name the command that goes on: with the loss accepted, where that is all that is missing."""
    if not options:
        return "gitops status"
    return f"gitops rollback {number} {' '.join(options)}, if that may go (it is kept in a file first)"


def _insist(known: Known, environment: str, before: str, commit: str, branch: str) -> None:
    """Raise `Failed` unless the record tells, after the record `before`, that the commit was released.

    That git moved the branch says it only while this branch releases, and remote.yaml decides that.
    """
    pushed = f"{commit[:7]} is pushed to {branch}"
    try:
        known.fetch()
    except Unavailable as error:
        error.changed, error.next_command = pushed, f"gitops status {commit[:7]}"
        raise
    for recorded in known.releases(environment):
        if recorded.told.release.commit == commit:
            return
        if recorded.record == before:
            break
    raise Failed(
        f"{branch} took the push, and nothing was released to {environment}",
        code="rollback.not-released",
        changed=pushed,
        next_command="gitops status",
    )


def _chosen(known: Known, environment: str, number: int, tree: str) -> Recorded:
    """Find the release to go back to: the numbered one, or the newest with another tree."""
    for recorded in known.releases(environment):
        found = recorded.told.release
        if number and found.number == number:
            if found.tree == tree:
                what = f"release {number} is what the branch has already"
                raise Refused(what, code="rollback.same", next_command="gitops history")
            return recorded
        if not number and found.tree != tree:
            return recorded
    raise Refused(
        f"{environment} has no release {number}" if number else f"{environment} has no earlier release",
        code="rollback.none",
        next_command="gitops history",
    )


def _message(chosen: Recorded) -> str:
    release = chosen.told.release
    title = f"Roll back to release {release.number}: {safe(release.subject, 80)}"
    return f"{title}\n\nThe tree is that of {release.commit}."


def _follow(checkout: Checkout, branch: str, commit: str) -> str:
    """Move the checkout's branch along, when that loses nothing. It never raises: production is back."""
    if checkout.branch != branch:
        return f"{branch} is not checked out"
    if not checkout.is_ancestor("HEAD", commit):
        return f"{branch} has commits of its own; merge or rebase them"
    try:
        checkout.fast_forward(commit)
    except Unavailable as error:  # such as a new file here that the older tree has too
        return f"{error.cause.rstrip(':')} (next: git merge --ff-only {commit[:7]})"
    return "moved"
