"""`gitops migrate check`: rehearse the migrations of the working tree, as its push would; change nothing."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import records
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.config.history import History, compare, load_history, refuse_pending
from gitops_cli.config.load import load_project
from gitops_cli.errors import GitopsError, Refused
from gitops_cli.pipeline.model import Release
from gitops_cli.releases.held import hold
from gitops_cli.scaffold.known import Known
from gitops_cli.steps import database
from gitops_cli.steps.catalogue import Build, Rehearse
from gitops_cli.steps.surroundings import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitops_cli.adapters.checkout import Checkout
    from gitops_cli.adapters.home import Home
    from gitops_cli.config.remote import Environment
    from gitops_cli.pipeline.model import Json
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.releases.held import Held

NO_REMOTE = "there is no git remote {remote}"
ELSEWHERE = "git remote {remote} is elsewhere, or another account's; it rehearses them when you push"


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked."""

    environment: str
    """Empty when no database was asked."""
    rehearsed: bool
    pending: tuple[str, ...]
    """What would run, a line each: direction, revision, file."""
    said: str
    """How it went; or why nothing was run."""


class Notes:
    """A record in memory: what the steps note is for no recovery."""

    def __init__(self) -> None:
        """Nothing noted yet."""
        self.facts: dict[str, Json] = {}

    def note(self, **facts: Json) -> None:
        """Keep the facts."""
        self.facts |= facts

    def of(self, step: str) -> Mapping[str, Json]:
        """Tell nothing: the rehearsal needs no other step."""
        del step
        return {}


def check(checkout: Checkout, remote: str, environment: str, watch: Watcher) -> Checked:
    """Rehearse on a scratch copy of the environment's database; where that is not ours, only read.

    Raises `BadMigration` and whatever the push would be refused with.
    """
    if remote not in checkout.remotes:
        return _only_read(checkout, None, NO_REMOTE.format(remote=remote))
    known = Known(checkout, remote)
    home = known.home
    if home is None:
        return _only_read(checkout, known, ELSEWHERE.format(remote=remote))
    with Repo(checkout.git_dir) as repo:
        around = surroundings(home, repo)
        chosen = _choose(around.remote.environments, checkout.branch, environment)
        with hold(around, chosen, watch) as held:
            _refuse_open(held, home)
            known.fetch()  # under the lock: what is live stays so, and its commit is here to read
            return _rehearse(held, checkout.write_tree())


def _only_read(checkout: Checkout, known: Known | None, why: str) -> Checked:
    """Read the history without running it, against what was fetched last. Asks nothing over the network."""
    tree = checkout.tree()
    history = load_history(tree, load_project(tree).migrations)
    if not history.revisions:
        return Checked(environment="", rehearsed=False, pending=(), said="there are no migrations")
    live = list(_live(known)) if known else []
    pending = {name for one in live or [History()] for name in compare(one, history).ups}
    refuse_pending(history, sorted(pending))
    return Checked(
        environment="",
        rehearsed=False,
        pending=tuple(f"up {one.id} ({one.file})" for one in history.revisions if one.id in pending),
        said=f"the history is well-formed; its migrations were read, not run: {why}",
    )


def _live(known: Known) -> Iterator[History]:
    """Give the history that was released last in each environment, as far as it was fetched."""
    for name in known.environments():
        tree = known.repo.tree(next(known.releases(name)).told.release.commit)
        yield load_history(tree, load_project(tree).migrations)


def _choose(found: Mapping[str, Environment], branch: str, wanted: str) -> Environment:
    """Pick the environment that the branch releases to. Raises `Refused`."""
    if wanted and wanted not in found:
        raise Refused(f"remote.yaml has no environment {wanted}", code="release.none")
    here = [one for one in found.values() if one.branch == branch] or list(found.values())
    if wanted or len(here) == 1:
        return found[wanted] if wanted else here[0]
    raise Refused(
        f"there are several environments: {', '.join(sorted(found))}",
        code="release.which",
        next_command="the same with --environment NAME",
    )


def _refuse_open(held: Held, home: Home) -> None:
    """Refuse while a release is half done: nobody knows yet where the database is going."""
    release = held.journal.open_release()
    if release is not None:
        raise Refused(
            f"release {release.number} of {held.environment.name} was cut off",
            code="release.open",
            next_command=f"gitops recover --home {home.path}",
        )


def _rehearse(held: Held, tree: str) -> Checked:
    """Run the two steps of a release that change nothing, and clean up after them."""
    context = held.context()
    context.content(tree)  # what is wrong with the tree itself is no matter of the rehearsal
    with Repo(held.around.home.repo) as repo:
        live = records.released(repo, held.environment.name)
    release = Release(
        number=0,
        id=secrets.token_hex(8),
        environment=held.environment.name,
        commit=tree,
        tree=tree,
        previous=live.commit,
    )
    database.forget_leftovers(context)
    build, rehearse = Build(context), Rehearse(context)
    try:
        pending = tuple(rehearse.plan(release))
        said = ""
        if pending:
            build.do(release, Notes())
            said = rehearse.do(release, Notes())
    except GitopsError as error:
        error.stage = error.stage or rehearse.name
        raise
    finally:
        rehearse.undo(release, Notes())
    return Checked(
        environment=held.environment.name, rehearsed=True, pending=pending, said=said or database.NOTHING
    )
