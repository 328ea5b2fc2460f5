"""`gitops init`: write what is missing, make the remote, add it to git. All of it, or nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.adapters.created import Created
from gitops_cli.adapters.folder import walk
from gitops_cli.adapters.text import safe
from gitops_cli.config.load import load_project
from gitops_cli.errors import Refused, UsageError
from gitops_cli.scaffold import hooks
from gitops_cli.scaffold.advice import dockerfile_notes, env_notes
from gitops_cli.scaffold.detect import detect, label
from gitops_cli.scaffold.files import missing_files
from gitops_cli.scaffold.remote import Made, default_home, home_of, is_remote, make_remote

if TYPE_CHECKING:
    from pathlib import Path

REMOTE = "gitops"
"""What the git remote is called."""
_SWITCH = "git switch -c main, then: gitops init"
NO_REMOTE = Made(home="", url="", new=False)


class Initialised(msgspec.Struct, frozen=True, kw_only=True):
    """What `init` did."""

    folder: str
    branch: str
    written: tuple[str, ...]
    """Files of the project, relative to its top."""
    remote: str
    """The URL of git remote `gitops`; empty with `--no-remote`."""
    home: str
    """The folder of a remote on this machine that was made now; else empty."""
    hook: bool
    """Whether the pre-push hook was installed now."""
    added: bool
    """Whether git remote `gitops` was added now."""
    uncommitted: bool
    """Whether the next commit has something to hold."""
    notes: tuple[str, ...]


def init(folder: Path, *, remote: str = "", no_remote: bool = False) -> Initialised:
    """Make a project of a folder.

    Raises `Refused`, `BadInput`, `Unavailable`; then the folder is as it was.
    """
    if remote and no_remote:
        raise UsageError("--remote and --no-remote say the opposite", next_command="gitops init --help")
    if remote.startswith("-"):  # an option that was meant as one: no folder is made of it
        raise UsageError(f"--remote lacks its URL before {remote}", next_command="gitops init --help")
    with Created() as created:
        created.folder(folder)
        checkout = _checkout(folder, created)
        tree = checkout.tree()
        found = detect(tree)
        name = label(checkout.top.name)
        missing = missing_files(tree, found, name)
        for path, text in missing.items():
            created.write(checkout.top / path, text.encode())
        project = load_project(checkout.tree())
        hook, why = hooks.install(checkout, created)
        notes = list(why)
        notes += env_notes(checkout.tree(), project.migrations)
        if not checkout.branch:
            raise Refused(
                "no branch is checked out",
                code="init.detached",
                next_command=_SWITCH,
            )
        had = REMOTE in checkout.remotes
        made = NO_REMOTE if no_remote else _add_remote(checkout, remote, project.name, created)
        notes += dockerfile_notes(tree, found.services if made.new else ())  # only `local` reads them so
    return Initialised(
        folder=str(checkout.top),
        branch=checkout.branch,
        written=tuple(missing),
        remote=made.url,
        home=made.home if made.new else "",
        hook=hook,
        added=bool(made.url) and not had,
        uncommitted=bool(checkout.try_git("--no-optional-locks", "status", "--porcelain")),
        notes=(*notes, *made.notes),
    )


def _checkout(folder: Path, created: Created) -> Checkout:
    """Find the repository whose top the folder is, or make one."""
    found = Checkout.open(folder)
    if found is None:
        walk(folder)  # a huge folder is refused before `git init`
        created.grown(folder / ".git")
        return Checkout.create(folder, "main")
    if found.top.resolve() != folder.resolve():
        raise Refused(
            f"{folder} lies inside the repository {found.top}; gitops.yaml belongs to its top",
            code="init.inside",
            next_command=f"gitops init {found.top}",
        )
    return found


def _add_remote(checkout: Checkout, wanted: str, project: str, created: Created) -> Made:
    """Make the remote if it is to be on this machine, and add it to git."""
    there = checkout.remotes.get(REMOTE)
    if there is not None:
        note = f"git remote {REMOTE} is already there and was left as it is: {safe(there)}"
        return Made(home="", url=there, new=False, notes=(note,) if wanted else ())
    origin = "" if wanted else _origin(checkout)
    home = home_of(wanted) if wanted else default_home(project, checkout.top)
    made = Made(home="", url=wanted or origin, new=False)
    if origin:  # a clone of a remote: its next push belongs there, not into a second one
        note = f"origin is a gitops remote, so git remote {REMOTE} is the same one: {safe(origin)}"
        made = msgspec.structs.replace(made, notes=(note,))
    elif home is not None:
        made = make_remote(home, checkout.branch, created, instead=_SWITCH)
    created.keep(checkout.config_file)
    checkout.add_remote(REMOTE, made.url)
    return made


def _origin(checkout: Checkout) -> str:
    """Give the URL of git remote `origin` if that is a gitops remote on this machine; else nothing."""
    url = checkout.remotes.get("origin", "")
    home = home_of(url) if url else None
    return url if home is not None and is_remote(home) else ""
