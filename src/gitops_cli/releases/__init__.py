"""READ THIS FIRST: what a push, a rollback and a recovery do, each as a list of steps in order.

A push is all or nothing. The steps run under the lock of the environment; each writes its intent
down before it acts; when one fails, those that have begun are undone in reverse and the push is
refused. `publish` is the commit point: branch and record move in one transaction, last of all.

A rollback is an ordinary push of a forward commit whose tree is an older one. Recovery asks the
refs: if either names the release, finish it; if neither does, undo it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import records
from gitops_cli.adapters.git.settings import refuse_unless_sound
from gitops_cli.adapters.postgres import server
from gitops_cli.errors import Bug, GitopsError, Stopped
from gitops_cli.releases import asked, moving, running, settling
from gitops_cli.releases.gone import end, gone, runs
from gitops_cli.releases.held import hold
from gitops_cli.steps import catalogue, granting
from gitops_cli.steps.broken import refuse_broken_refs
from gitops_cli.steps.content import content_for, load_past
from gitops_cli.steps.foresight import foresee
from gitops_cli.steps.standing import Standing, standing
from gitops_cli.steps.surroundings import allowed_level, surroundings
from gitops_cli.steps.validate import check_follows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitops_cli.adapters.git.repo import Repo
    from gitops_cli.adapters.git.update import RefUpdate
    from gitops_cli.adapters.home import Home
    from gitops_cli.config.remote import Environment
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.releases.held import Held
    from gitops_cli.steps.surroundings import Surroundings

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


def validate_push(
    home: Home, repo: Repo, updates: Sequence[RefUpdate], options: Sequence[str], watch: Watcher
) -> None:
    """Say in pre-receive what the release would say first; reads the quarantine, changes nothing."""
    around = surroundings(home, repo)
    found = moving.bound(around, updates)
    if found is not None:
        update, environment = found
        moving.check_freeze(environment)
        content = content_for(environment.name, repo, update.new, home, lambda: allowed_level(around.remote))
        live = records.released(repo, environment.name)
        check_follows(content, load_past(repo.tree(live.commit)) if live.commit else None)
        foresee(around, environment, (update.new, content), options, watch)


def receive(
    home: Home, updates: Sequence[RefUpdate], options: Sequence[str], watch: Watcher
) -> Mapping[str, str]:
    """Take a push in proc-receive: release it, or only move its refs. Gives "" or the reason for each ref."""
    try:
        with surroundings(home) as around:
            found = moving.bound(around, updates)
            if found is None:
                moving.move(around, updates)
            elif found[1].release == "following":
                name, commit = found[1].name, found[0].new
                moving.move(around, updates, lambda: asked.remember(home, name, commit, options))
            else:
                update, environment = found
                with hold(around, environment, watch) as held:
                    settling.settle(held, RELEASE)
                    moving.check_settings(around, environment)
                    moving.rehearse_move(around, updates)
                    _release(held, update.new, updates, options)
    except GitopsError as error:
        return {update.name: error.sentence() for update in updates}
    return {update.name: "" for update in updates}


def _release(held: Held, commit: str, updates: Sequence[RefUpdate], options: Sequence[str]) -> None:
    release = running.begin(held, commit, updates=updates, options=options)
    unchanged = running.is_live(held, release)
    if unchanged:
        for line in settling.heal(held, insist=False):  # it was released; after a reboot it may not run
            held.watch.says(line)
        held.watch.says(f"nothing to do: the tree of {commit[:7]} is the one that runs")
    running.run(held, release, UNCHANGED if unchanged else RELEASE)


def follow(home: Home, updates: Sequence[RefUpdate], watch: Watcher) -> None:
    """Release in post-receive what has moved already (`release: following`). Raises `GitopsError`."""
    with surroundings(home) as around:
        found = moving.bound(around, updates)
        if found is not None and found[1].release == "following":
            with hold(around, found[1], watch) as held:
                settling.settle(held, RELEASE)
                _catch_up(held)


def _catch_up(held: Held, *, insist: bool = True) -> list[str]:
    """Release what a followed branch names and the record does not. Raises `PolicyRefused` in a freeze.

    Without `insist`, what was refused a short time ago is refused again with the same words.
    """
    commit = settling.behind(held)
    if not commit:
        return []
    moving.check_settings(held.around, held.environment)
    if not insist and (before := settling.refused(held, commit)) is not None:
        raise running.refusal(before)
    options = asked.options_of(held.around.home, held.environment.name, commit)
    running.run(held, running.begin(held, commit, options=options, kind="follow"), RELEASE)
    return [f"{held.environment.name} follows {held.environment.branch}: released {commit[:7]}"]


def recover(home: Home, watch: Watcher, *, insist: bool = True) -> list[str]:
    """Settle what a crash left in every environment and make what runs equal to what was released.

    What runs of one that remote.yaml no longer has is stopped. Says, a line each, what it did; nothing when
    all was well. Without `insist`, what is fought over is left alone, and what a followed branch names is not
    tried again at once. One environment that cannot be recovered does not keep the others from it: `watch`
    hears what was done, and the first one's `GitopsError` is raised.
    """

    def look_after(held: Held) -> list[str]:
        return _tend(held, heal=True, insist=insist)

    with surroundings(home) as around:
        refuse_unless_sound(home.repo)
        refuse_broken_refs(around)
        todo = [(environment, look_after) for environment in around.remote.environments.values()]
        return _each(around, [*todo, *((lost, end) for lost in gone(around))], watch)


def stop_gone(home: Home, watch: Watcher) -> list[str]:
    """Stop what runs of environments that remote.yaml no longer has. Says and raises as `recover` does."""
    with surroundings(home) as around:
        return _each(around, [(lost, end) for lost in gone(around)], watch)


def _each(
    around: Surroundings,
    todo: Sequence[tuple[Environment, Callable[[Held], list[str]]]],
    watch: Watcher,
) -> list[str]:
    said, failures = [], []
    for environment, what in todo:
        try:
            with hold(around, environment, watch) as held:
                said += what(held)
        except (Stopped, Bug):
            raise
        except GitopsError as error:
            failures.append(error)
    if failures:
        for line in [*said, *(later.sentence() for later in failures[1:])]:
            watch.says(line)
        raise failures[0]
    return said


def tend(home: Home, name: str, watch: Watcher, *, heal: bool) -> list[str]:
    """Do the same for one environment, as the agent does it: without insisting.

    Without `heal` it looks at this machine alone: cut-off releases, followed branches.
    """
    with surroundings(home) as around, hold(around, around.environment(name), watch) as held:
        return _tend(held, heal=heal, insist=False)


def _tend(held: Held, *, heal: bool, insist: bool) -> list[str]:
    said = settling.settle(held, RELEASE)
    try:
        if held.environment.release == "following":
            said += _catch_up(held, insist=insist)
    finally:  # what was released is to run, also when what follows it cannot be
        said += settling.heal(held, insist=insist) if heal else []
    return said


def status(home: Home, *, ask: bool = False) -> list[Standing]:
    """Tell how every environment stands; with `ask`, its cluster too. Changes nothing, waits for nobody.

    Those that remote.yaml no longer has come last, as long as something runs of them or is open.
    """
    with surroundings(home) as around:
        found = [standing(around, each, ask=ask) for each in around.remote.environments.values()]
        return [
            *found,
            *(msgspec.structs.replace(standing(around, each), gone=True) for each in gone(around)),
        ]


def rbac(home: Home, name: str, *, whole: bool = False) -> str:
    """Write the rights in its cluster that an environment needs; without a name, the only one in a cluster.

    `whole`: not only for the newest commit, but for everything that any project may bring.
    Raises `Refused` when there is none, or more than one to choose from.
    """
    with surroundings(home) as around:
        return granting.rbac(around, granting.chosen(around, name), whole=whole)


def down(home: Home, watch: Watcher) -> list[str]:
    """Stop what runs in every environment, and the embedded database. The refs stay; `recover` starts it."""
    said = []
    with surroundings(home) as around:
        lost = [environment for environment in gone(around) if runs(around, environment)]
        for environment in (*around.remote.environments.values(), *lost):
            here, ended = environment, f"{environment.name} is stopped"
            if environment in lost:
                ended = f"{environment.name}, which remote.yaml no longer has, is stopped"
            if environment.kubernetes is not None:
                said.append(f"{environment.name} runs on: it is in a cluster, not on this machine")
                if not home.local(environment.name).is_dir():
                    continue
                here = msgspec.structs.replace(environment, target="local")
                ended = f"what ran of {environment.name} on this machine before is stopped"
            with hold(around, here, watch) as held:
                held.context().target.stop()
                said.append(ended)
    if server.stop(home):
        said.append("the embedded PostgreSQL is stopped")
    return said
