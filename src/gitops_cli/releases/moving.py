"""Refs of a push: which of them release, whether they may move, and moving those that release nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters import records, signals
from gitops_cli.adapters.git import refs
from gitops_cli.errors import BadRef, PolicyRefused
from gitops_cli.pipeline.model import NO_COMMIT, RefUpdate
from gitops_cli.steps.surroundings import surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitops_cli.adapters.git.repo import Repo
    from gitops_cli.config.remote import Environment
    from gitops_cli.steps.surroundings import Surroundings


def bound(around: Surroundings, updates: Sequence[RefUpdate]) -> tuple[RefUpdate, Environment] | None:
    """Pick the update that releases; remote.yaml alone decides. Raises `BadRef` for more than one."""
    found = [
        (update, environment)
        for update in updates
        if (environment := around.remote.bound(update.name)) is not None
    ]
    if len(found) > 1:
        names = " and ".join(update.name.removeprefix("refs/heads/") for update, _ in found)
        raise BadRef(
            f"{names} both release; push them one after the other", code="ref.two-releases", stage="receive"
        )
    return found[0] if found else None


def check_freeze(environment: Environment) -> None:
    """Refuse while the operator has frozen the environment. Raises `PolicyRefused` with his sentence."""
    if environment.policy.freeze:
        raise PolicyRefused(
            f"{environment.name} is frozen: {environment.policy.freeze}",
            code="policy.freeze",
            stage="receive",
            next_command="push again when the operator has taken `policy.freeze` out of remote.yaml",
        )


def check_settings(around: Surroundings, environment: Environment) -> None:
    """Ask remote.yaml again, under the lock: it was read before a wait that lasts as long as releases do.

    Raises `PolicyRefused` for an environment that is frozen or another one by now, `Unavailable`, `BadInput`.
    """
    now = surroundings(around.home, around.repo).environment(environment.name)
    check_freeze(now)
    if now != environment:
        raise PolicyRefused(
            f"what remote.yaml says of {environment.name} has changed while this waited",
            code="policy.changed",
            stage="receive",
            next_command="try again",
        )


def check_old(repo: Repo, updates: Sequence[RefUpdate]) -> None:
    """Refuse a push that was made before another one won. Raises `BadRef`."""
    for update in updates:
        if (repo.resolve(update.name) or NO_COMMIT) != update.old:
            short = update.name.removeprefix("refs/heads/")
            raise BadRef(
                f"{short} has moved; fetch first", code="ref.moved", next_command="git fetch, then push again"
            )


def move(
    around: Surroundings, updates: Sequence[RefUpdate], first: Callable[[], None] = lambda: None
) -> None:
    """Move refs that release nothing (or that are followed later), all or none.

    `first` is done before, under the lock of the refs. Once they have moved, no signal may make a refusal
    of that.
    """
    with refs.RefLock(around.home) as lock:
        refs.clear_stale(around.repo, lock)
        check_old(around.repo, updates)
        first()
        with signals.held():  # killed between two renames, update-ref leaves one ref old and one new
            refs.move(around.repo, updates, (lock.fd,))
            signals.ignore()


def rehearse_move(around: Surroundings, updates: Sequence[RefUpdate]) -> None:
    """Find name conflicts and refs that moved meanwhile, before anything runs."""
    check_old(around.repo, updates)
    with refs.RefLock(around.home) as lock:
        refs.clear_stale(around.repo, lock)
        refs.trial(around.repo, updates)


def pin(around: Surroundings, environment: Environment, commit: str) -> None:
    """Keep the commit of an open release from `git gc`; with "" let go of it.

    That delete is a transaction of its own: it locks packed-refs.
    """
    name = records.pending_ref(environment.name)
    now, new = around.repo.resolve(name) or NO_COMMIT, commit or NO_COMMIT
    if now != new:
        with refs.RefLock(around.home) as lock:
            refs.clear_stale(around.repo, lock)
            with signals.held():
                refs.move(around.repo, [RefUpdate(name, now, new)], (lock.fd,))
