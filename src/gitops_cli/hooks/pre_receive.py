"""pre-receive: fast, read-only, in quarantine. What it refuses never reaches the repository.

git skips its own rules for refs that proc-receive handles, and refuses some refs later and alone; so
whatever git would say is said here first, for the whole push.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.adapters import processes, seen
from gitops_cli.adapters.files import read_or_none
from gitops_cli.adapters.git import incoming, settings, stale
from gitops_cli.adapters.git.names import HEADS, short
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.text import safe
from gitops_cli.config.remote import load_remote
from gitops_cli.errors import BadRef, Failed, GitopsError, LimitExceeded, Unavailable
from gitops_cli.hooks import rules
from gitops_cli.hooks.output import Output
from gitops_cli.pipeline.model import NO_COMMIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitops_cli.pipeline.model import RefUpdate
    from gitops_cli.pipeline.protocol import Watcher

_LONGEST = 1 << 16
"""Bytes of standard input: ten refs need a tenth of it."""


def main(parent: int) -> int:
    """Check the push that receive-pack (`parent`) describes on standard input; 0 accepts it."""
    output = Output()
    try:
        follow_parent(parent)
        home = home_of_cwd()
        lines = read_lines()
        with Repo(home.repo, quarantine_of(os.environ, str(home.repo))) as repo:
            check(home, repo, lines, read_options(os.environ), output)
        seen.remember(home, parent, lines)
    except GitopsError as error:
        output.refuses(error)
        return 1
    except OSError as error:
        output.refuses(rules.unusable(error))
        return 1
    finally:
        output.close()
    return 0


def follow_parent(parent: int) -> None:
    """Die with receive-pack: an orphaned hook would go on with a push that has failed. Raises `Failed`."""
    processes.die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked, and the kernel says so only afterwards
        raise Failed("git receive-pack has gone", code="hook.parent")


def home_of_cwd() -> Home:
    """Give the remote: git starts a hook in the repository, whose parent it is."""
    repo = str(Path.cwd())
    home = Home(Path(repo).parent)
    if str(home.repo) != repo:
        raise Failed(f"{repo} is not the repository of a remote", code="remote.place")
    return home


def read_lines() -> bytes:
    """Read standard input to its end, or as far as any allowed push goes. Raises `LimitExceeded`."""
    found = bytearray()
    while piece := os.read(0, 1 << 16):
        found += piece
        if len(found) > _LONGEST:
            raise LimitExceeded(f"at most {rules.MAX_REFS} refs in one push", code="push.refs")
    return bytes(found)


def quarantine_of(environ: Mapping[str, str], repo: str) -> str | None:
    """Give the folder of the incoming objects, or None (a deletion brings none). Raises `Failed`."""
    found = environ.get("GIT_QUARANTINE_PATH", "")
    if not found:
        return None
    path = os.path.realpath(found)
    if os.path.dirname(path) != os.path.realpath(f"{repo}/objects"):  # noqa: PTH120
        raise Failed("the quarantine is not in this repository", code="hook.quarantine")
    return path


def read_options(environ: Mapping[str, str]) -> list[str]:
    """Give the push options. Raises `PolicyRefused`, `LimitExceeded`."""
    count = environ.get("GIT_PUSH_OPTION_COUNT", "0")
    many = min(int(count), rules.MAX_OPTIONS + 1) if count.isdigit() else 0
    options = [environ.get(f"GIT_PUSH_OPTION_{number}", "") for number in range(many)]
    rules.check_options(options)
    return options


def check(home: Home, repo: Repo, lines: bytes, options: Sequence[str], watch: Watcher) -> None:
    """Check one push, cheapest rules first. Raises `GitopsError`."""
    updates = [rules.parse_update(line) for line in lines.split(b"\n")[:-1]]
    if not lines.endswith(b"\n"):
        raise BadRef("the list of refs ends in the middle", code="ref.line")
    rules.check_updates(updates)
    settings.refuse_unless_sound(home.repo)
    refuse_damaged(repo)
    existing = repo.refs("refs/heads") | repo.refs("refs/tags")
    rules.check_twins(updates, existing)
    _check_objects(repo, updates)
    bound = bound_refs(home)
    for update in updates:
        if update.name in bound:
            _check_bound(repo, update, existing.get(update.name, NO_COMMIT))
    if repo.place.quarantine:
        incoming.check_sizes(repo)
    from gitops_cli import releases  # noqa: PLC0415 - a push that a rule refuses needs none of it

    releases.validate_push(home, repo, updates, options, watch)
    for update in updates:
        if update.name.startswith(HEADS) and update.new != NO_COMMIT and update.name not in bound:
            does = ", ".join(sorted(map(short, bound)))  # or a push would be taken for a release
            watch.says(f"{short(update.name)} releases to no environment; {does} does")


def refuse_damaged(repo: Repo) -> None:
    """Say which ref a power cut left without content: git only says that objects are missing."""
    damaged = stale.broken_refs(repo)
    if damaged:
        raise Unavailable(
            f"the remote's ref {safe(damaged[0], 120)} is damaged: its file holds no object id",
            code="ref.broken",
            next_command="gitops recover",
        )


def bound_refs(home: Home) -> set[str]:
    """Give the branches that release. Raises `Unavailable`, `BadInput` with file and line."""
    data = read_or_none(home.config)
    if data is None:
        raise Unavailable(
            f"{home.config} is not there",
            code="remote.unreadable",
            next_command=f"gitops remote init {home.path}",
        )
    return {one.ref for one in load_remote(data, str(home.config)).environments.values()}


def _check_objects(repo: Repo, updates: Sequence[RefUpdate]) -> None:
    """Refuse what is not there, and a branch that is no commit: git leaves both to a later moment."""
    new = [update.new for update in updates if update.new != NO_COMMIT]
    kinds = repo.kinds(new) if new else {}
    for update in updates:
        kind = kinds.get(update.new, "")
        if kind == "missing":
            raise BadRef(
                f"{short(update.name)}: the object {update.new[:12]} is missing", code="push.incomplete"
            )
        if kind and kind != "commit" and update.name.startswith(HEADS):
            raise BadRef(f"{short(update.name)} would be a {kind}, not a commit", code="ref.no-commit")
    incoming.check_connected(repo, new)


def _check_bound(repo: Repo, update: RefUpdate, now: str) -> None:
    """Refuse all but forward: the history of a release branch is what was released. Raises `BadRef`."""
    name = short(update.name)
    if update.new == NO_COMMIT:
        raise BadRef(
            f"{name} releases and cannot be deleted; an operator takes it out of remote.yaml first",
            code="ref.delete",
            next_command="gitops rollback",
        )
    if now != update.old:
        raise BadRef(
            f"{name} has moved; fetch first", code="ref.moved", next_command="git fetch, then push again"
        )
    if now != NO_COMMIT and not repo.is_ancestor(now, update.new):
        raise BadRef(f"history of {name} may not be rewritten; use gitops rollback", code="ref.rewrite")
