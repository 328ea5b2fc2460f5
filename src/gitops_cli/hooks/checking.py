"""What pre-push says of the commits being pushed; never of the working tree. Read-only.

It refuses only what it knows the remote would refuse: a branch that releases, by the remote.yaml of a remote
on this machine. To any other it gives a warning, and the push goes on: that may be a branch that releases
nothing, or somebody's plain repository.

Two git processes in all: `cat-file --batch`, first asked for `gitops.yaml` (no such file: nothing to say),
and `ls-tree`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from gitops_cli.adapters.git.batch import ObjectReader
from gitops_cli.adapters.git.command import Place
from gitops_cli.adapters.git.tree import LIMITS, GitTree, check_paths, list_tree
from gitops_cli.adapters.text import safe
from gitops_cli.config.load import load_manifests, load_project
from gitops_cli.errors import Failed, GitopsError, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.config.tree import Entry

_FILE = "gitops.yaml"


class Pushed(NamedTuple):
    """One branch of a push: the commit, the remote's ref, and what that ref holds now."""

    oid: str
    ref: str
    old: str


def check(pushed: Sequence[Pushed], arguments: Sequence[str]) -> int:
    """Check each branch once; print one sentence for what is wrong. Gives 1 when the remote would refuse it.

    `arguments`: name and URL of the git remote.
    """
    refused, url = False, arguments[1] if len(arguments) > 1 else ""
    try:
        place = Place(git_dir())
        reader = ObjectReader(place)
        for one in {one.oid: one for one in pushed}.values():
            try:
                _check_one(place, reader, one)
            except Refused as error:
                refs = [same.ref for same in pushed if same.oid == one.oid]
                known = next((ref for ref in refs if _releases(url, ref)), "")
                refused |= bool(known)
                branch = (known or one.ref).removeprefix("refs/heads/")
                why = "" if known else f" (a warning only: {branch} is not known to release there)"
                _say(f"{error.sentence()}; {one.oid[:7]} for {branch}{why}")
        reader.close()
    except GitopsError as error:
        _say(f"not checked here ({error.cause}); the remote will")
    return int(refused)


def _releases(url: str, ref: str) -> bool:
    """Say whether a branch is known to release; only asked for one that is wrong, so the imports may cost."""
    from gitops_cli.config.remote import load_remote  # noqa: PLC0415 - see above

    home, name = os.path.split(url.removeprefix("file://").rstrip("/"))
    if name.removesuffix(".git") != "repo":  # as adapters.home lays a remote out
        return False
    path = os.path.join(home, "remote.yaml")  # noqa: PTH118 - as below
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return load_remote(file.read(LIMITS.blob), path).bound(ref) is not None
    except (OSError, GitopsError):  # it is elsewhere, or not ours to read
        return False


def git_dir() -> str:
    """Find the git directory as git itself does, without starting it. Raises `Failed`."""
    given = os.environ.get("GIT_DIR")
    if given:
        return os.path.abspath(given)  # noqa: PTH100 - pathlib costs 12 modules
    folder = os.getcwd()  # noqa: PTH109
    while True:
        found = f"{folder}/.git"
        if os.path.isdir(found):  # noqa: PTH112
            return found
        if os.path.isfile(found):  # noqa: PTH113 - a further worktree: "gitdir: PATH"
            with open(found, encoding="utf-8") as file:  # noqa: PTH123
                return os.path.join(folder, file.read(4096).removeprefix("gitdir:").strip())  # noqa: PTH118
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            raise Failed("no git directory", code="git.directory")
        folder = above


def _check_one(place: Place, reader: ObjectReader, one: Pushed) -> None:
    """Check one commit. Raises `Refused`; silent for a tree without gitops.yaml."""
    try:
        list(reader.read([f"{one.oid}:{_FILE}"]))
    except Failed:
        return
    entries = list_tree(place, one.oid)
    check_paths(entries.values())
    tree = GitTree(one.oid[:7], entries, reader, LIMITS.blob)
    project = load_project(tree)
    manifests = load_manifests(tree, project)
    if project.migrations:
        from gitops_cli.config.history import load_history  # noqa: PLC0415 - 9 modules that not all projects need

        load_history(tree, project.migrations)
    if _dry_run():
        branch = one.ref.removeprefix("refs/heads/")
        _say(f"{branch} would become {one.oid[:7]}: {len(manifests.all)} manifests")
        folders = (project.manifests, project.migrations)
        for line in plan(_old_entries(place, one.old), entries, folders):
            _say(f"  {line}")


def plan(old: dict[str, Entry], new: dict[str, Entry], folders: Sequence[str]) -> list[str]:
    """Say, a line each, which manifests and migrations the push adds, changes and removes."""
    lines, others = [], 0
    for path in sorted({*old, *new}):
        before, after = old.get(path), new.get(path)
        if before and after and (before.oid, before.mode) == (after.oid, after.mode):
            continue
        if any(folder and path.startswith(folder + "/") for folder in folders):
            lines.append(f"{'add' if not before else 'remove' if not after else 'change'} {path}")
        else:
            others += 1
    return [*lines, f"{others} other file{'s'[: others != 1]} changed"] if others else lines


def _old_entries(place: Place, old: str) -> dict[str, Entry]:
    """List what the remote has now; nothing when it has nothing or this clone does not know it."""
    try:
        return list_tree(place, old) if old.strip("0") else {}
    except GitopsError:
        return {}


def _dry_run() -> bool:
    """Say whether the `git push` that started us has --dry-run: git does not tell its hooks."""
    try:
        with open(f"/proc/{os.getppid()}/cmdline", "rb") as file:  # noqa: PTH123
            words = file.read(1 << 16).split(b"\0")
    except OSError:
        return False
    return b"--dry-run" in words or b"-n" in words


def _say(line: str) -> None:
    sys.stderr.write(f"gitops: {safe(line, 500)}\n")
