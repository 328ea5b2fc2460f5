"""READ THIS FIRST: what a push, a rollback and a recovery do, each as a list of steps in order.

A push is all or nothing. The steps run under the lock of the environment; each writes its intent
down before it acts; when one fails, those that have begun are undone in reverse and the push is
refused. `publish` is the commit point: branch and record move in one transaction, last of all.

A rollback is an ordinary push of a forward commit whose tree is an older one. Recovery asks the
refs: if either names the release, finish it; if neither does, undo it.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitops_cli.adapters import clock, processes, records
from gitops_cli.adapters.git import refs
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.postgres import server
from gitops_cli.errors import BadRef, Bug, GitopsError, PolicyRefused, Refused
from gitops_cli.pipeline import engine
from gitops_cli.pipeline import recover as recovery
from gitops_cli.pipeline.lock import EnvironmentLock, Holder
from gitops_cli.pipeline.model import NO_COMMIT, RefUpdate, Release
from gitops_cli.steps import catalogue
from gitops_cli.steps.content import load_content
from gitops_cli.steps.standing import Standing, standing
from gitops_cli.steps.surroundings import Surroundings, surroundings
from gitops_cli.steps.validate import check_follows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitops_cli.adapters.home import Home
    from gitops_cli.config.remote import Environment
    from gitops_cli.pipeline.model import Finished, Kind
    from gitops_cli.pipeline.protocol import Step, Watcher

RELEASE = (
    catalogue.Validate,
    catalogue.Build,
    catalogue.Rehearse,
    catalogue.Migrate,
    catalogue.Deploy,
    catalogue.Verify,
    catalogue.Publish,
)
UNCHANGED = (catalogue.Publish,)
"""The pushed tree is the live one: nothing to do but to move the ref."""

LOCK_SECONDS = 900.0
"""How long a push waits for the release before it."""


def validate_push(home: Home, repo: Repo, updates: Sequence[RefUpdate], options: Sequence[str]) -> None:
    """Say in pre-receive what the release would say first; reads the quarantine, changes nothing."""
    del options  # the hook has checked them against the list
    around = surroundings(home, repo)
    for update, environment in _bound(around, updates):
        _check_freeze(environment)
        content = load_content(repo.tree(update.new))
        live = records.released(repo, environment.name)
        check_follows(content, load_content(repo.tree(live.commit)) if live.commit else None)


def receive(
    home: Home, updates: Sequence[RefUpdate], options: Sequence[str], watch: Watcher
) -> Mapping[str, str]:
    """Take a push in proc-receive: release it, or only move its refs. Gives "" or the reason for each ref."""
    try:
        around = surroundings(home)
        bound = _bound(around, updates)
        if not bound or bound[0][1].release == "following":
            _move(around, updates)
        else:
            _release_push(around, bound[0][1], bound[0][0], updates, options, watch)
    except GitopsError as error:
        return {update.name: error.sentence() for update in updates}
    return {update.name: "" for update in updates}


def follow(home: Home, updates: Sequence[RefUpdate], watch: Watcher) -> None:
    """Release in post-receive what has moved already (`release: following`). Raises `GitopsError`."""
    around = surroundings(home)
    for _update, environment in _bound(around, updates):
        if environment.release == "following":
            with _locked(around, environment, watch) as lock:
                _settle(around, environment, watch, lock)
                _catch_up(around, environment, watch, lock)


def recover(home: Home, watch: Watcher) -> list[str]:
    """Settle what a crash left in every environment and make what runs equal to what was released.

    Says, a line each, what it did; nothing when all was well.
    """
    around = surroundings(home)
    said = []
    for environment in around.remote.environments.values():
        with _locked(around, environment, watch) as lock:
            said += _settle(around, environment, watch, lock)
            if environment.release == "following":
                said += _catch_up(around, environment, watch, lock)
            said += _heal(around, environment, watch)
    return said


def status(home: Home) -> list[Standing]:
    """Tell how every environment stands. Changes nothing, waits for nobody."""
    around = surroundings(home)
    return [standing(around, environment) for environment in around.remote.environments.values()]


def down(home: Home, watch: Watcher) -> list[str]:
    """Stop what runs in every environment, and the embedded database. The refs stay: `recover` starts it again."""
    around = surroundings(home)
    said = []
    for environment in around.remote.environments.values():
        with _locked(around, environment, watch):
            around.context(environment, watch).target.stop()
            said.append(f"{environment.name} is stopped")
    if server.stop(home):
        said.append("the embedded PostgreSQL is stopped")
    return said


def _check_freeze(environment: Environment) -> None:
    if environment.policy.freeze:
        raise PolicyRefused(
            f"{environment.name} is frozen: {environment.policy.freeze}",
            code="policy.freeze",
            stage="receive",
        )


def _bound(around: Surroundings, updates: Sequence[RefUpdate]) -> list[tuple[RefUpdate, Environment]]:
    """Pick the updates that release; remote.yaml alone decides. Raises `BadRef` for more than one."""
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
    return found


@contextmanager
def _locked(around: Surroundings, environment: Environment, watch: Watcher) -> Iterator[EnvironmentLock]:
    """Hold the lock of an environment; say whom we wait for."""
    lock = EnvironmentLock(around.home.lock(environment.name))
    lock.take(
        _holder(),
        seconds=LOCK_SECONDS,
        waits=lambda holder: watch.says(f"waiting for {holder.name() if holder else 'another release'}"),
        children=around.journal(environment.name).children,
    )
    try:
        yield lock
    finally:
        lock.release()


def _holder(release: Release | None = None) -> Holder:
    me = processes.identity(os.getpid())
    if me is None:
        raise Bug("this process is not in /proc", code="lock.proc")
    return Holder(
        process=me,
        number=release.number if release else 0,
        actor=release.actor if release else "",
        host=os.uname().nodename,
        since=clock.now(),
    )


def _move(around: Surroundings, updates: Sequence[RefUpdate]) -> None:
    """Move refs that release nothing (or that are followed later), all or none."""
    with refs.RefLock(around.home) as lock:
        refs.clear_stale(around.repo, lock)
        _check_old(around.repo, updates)
        refs.move(around.repo, updates, (lock.fd,))


def _check_old(repo: Repo, updates: Sequence[RefUpdate]) -> None:
    """Refuse a push that was made before another one won."""
    for update in updates:
        if (repo.resolve(update.name) or NO_COMMIT) != update.old:
            short = update.name.removeprefix("refs/heads/")
            raise BadRef(
                f"{short} has moved; fetch first", code="ref.moved", next_command="git fetch, then push again"
            )


def _release_push(  # noqa: PLR0913 - what a push is
    around: Surroundings,
    environment: Environment,
    update: RefUpdate,
    updates: Sequence[RefUpdate],
    options: Sequence[str],
    watch: Watcher,
) -> None:
    """Release one push under the lock. Raises `GitopsError` when it was refused or undone."""
    with _locked(around, environment, watch) as lock:
        _settle(around, environment, watch, lock)
        _check_old(around.repo, updates)
        with refs.RefLock(around.home) as refs_lock:
            refs.clear_stale(around.repo, refs_lock)
            refs.trial(around.repo, updates)
        _release(around, environment, update.new, watch, lock, refs_=updates, options=options)


def _release(  # noqa: PLR0913 - what a release is
    around: Surroundings,
    environment: Environment,
    commit: str,
    watch: Watcher,
    lock: EnvironmentLock,
    *,
    refs_: Sequence[RefUpdate] = (),
    options: Sequence[str] = (),
    kind: Kind = "push",
) -> Finished:
    """Run the steps of one release; the lock is held."""
    journal = around.journal(environment.name)
    before = records.released(around.repo, environment.name)
    found = around.repo.commit(commit)
    release = Release(
        number=max(journal.next_number(), before.number + 1),
        id=secrets.token_hex(8),
        environment=environment.name,
        commit=commit,
        tree=found.tree,
        previous=before.commit,
        refs=tuple(refs_),
        kind=kind,
        actor=found.author,
        subject=found.subject,
        options=tuple(options),
        started=clock.now(),
    )
    lock.announce(_holder(release))
    context = around.context(environment, watch, (lock.fd,))
    unchanged = found.tree == before.tree and kind == "push" and "redeploy" not in options
    steps = UNCHANGED if unchanged else RELEASE
    if unchanged:
        watch.says(f"nothing to do: {commit[:7]} has the tree of {before.commit[:7]}, which runs")
    _pin(around, environment, commit)
    try:
        finished = engine.run([step(context) for step in steps], release, journal, context.watch)
    finally:
        if journal.open_release() is None:
            _pin(around, environment, "")
    for name, url in sorted(context.target.live().urls.items()) if finished.outcome == "released" else ():
        watch.says(f"{name}: {url}")
    return _or_raise(finished, environment)


def _or_raise(finished: Finished, environment: Environment) -> Finished:
    """Turn a release that was undone into the sentence for the pusher."""
    if finished.outcome == "released":
        return finished
    raise Refused(
        finished.reason,
        code="release.undone",
        stage=finished.stage,
        changed=f"{environment.name} is as it was before",
    )


def _pin(around: Surroundings, environment: Environment, commit: str) -> None:
    """Keep the commit of an open release from `git gc`, or let go of it (alone: a delete locks packed-refs)."""
    name = records.pending_ref(environment.name)
    now = around.repo.resolve(name) or NO_COMMIT
    new = commit or NO_COMMIT
    if now != new:
        with refs.RefLock(around.home) as lock:
            refs.clear_stale(around.repo, lock)
            refs.move(around.repo, [RefUpdate(name, now, new)], (lock.fd,))


def _settle(
    around: Surroundings, environment: Environment, watch: Watcher, lock: EnvironmentLock
) -> list[str]:
    """Finish or undo the release that a crash left open, if there is one. The lock is held."""
    with refs.RefLock(around.home) as refs_lock:
        said = list(refs.clear_stale(around.repo, refs_lock))
    journal = around.journal(environment.name)

    def steps_for(release: Release) -> list[Step]:
        lock.announce(_holder(release))
        context = around.context(around.environment(release.environment), watch, (lock.fd,))
        processes.end_all(journal.children())
        return [step(context) for step in RELEASE]

    finished = recovery.recover(journal, steps_for, watch)
    _pin(around, environment, "")
    if finished is not None:
        ending = "finished" if finished.outcome == "released" else "undone"
        said.append(f"release {finished.release.number} of {environment.name} had been cut off; {ending}")
    for line in said:
        watch.says(line)
    return said


def _catch_up(
    around: Surroundings, environment: Environment, watch: Watcher, lock: EnvironmentLock
) -> list[str]:
    """Release what a followed branch names and the record does not."""
    commit = around.repo.resolve(environment.ref)
    if not commit or commit == records.released(around.repo, environment.name).commit:
        return []
    _release(around, environment, commit, watch, lock, kind="follow")
    return [f"{environment.name} follows {environment.branch}: released {commit[:7]}"]


def _heal(around: Surroundings, environment: Environment, watch: Watcher) -> list[str]:
    """Make what runs equal to what was released last."""
    live = records.released(around.repo, environment.name)
    context = around.context(environment, watch)
    wanted = context.app_set(live.number, live.commit, live.tree) if live.commit else None
    return list(context.target.heal(wanted))
