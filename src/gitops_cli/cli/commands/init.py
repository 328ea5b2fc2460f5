"""`gitops init [DIR] [--remote URL] [--no-remote]`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gitops_cli.cli.result import AsJson, Result, notes
from gitops_cli.scaffold.init import REMOTE, Initialised, init


def command(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The project's folder.")] = ".",
    *,
    remote: Annotated[
        str, typer.Option(metavar="URL", help="Where the remote is; a path is made there.")
    ] = "",
    no_remote: Annotated[bool, typer.Option("--no-remote", help="Make and add no remote.")] = False,
    as_json: AsJson = False,
) -> Result:
    """Write what is missing, make the remote, add it to git.

    In an application with a Dockerfile: gitops.yaml, manifests and an Alembic folder, each only if it is
    missing. In an empty folder: a small app that runs. Afterwards `git commit` and `git push gitops main`
    serve the page. In a clone of a gitops remote, git remote `gitops` is the one that was cloned. A second
    run changes nothing; one that fails leaves the folder as it was.
    """
    del as_json
    done = init(Path(folder).absolute(), remote=remote, no_remote=no_remote)
    return Result(
        data={
            "folder": done.folder,
            "branch": done.branch,
            "written": list(done.written),
            "remote": done.remote,
            "home": done.home,
            "hook": done.hook,
            "added": done.added,
            "notes": list(done.notes),
        },
        lines=tuple(_lines(done)),
    )


def _lines(done: Initialised) -> list[str]:
    lines = [f"wrote {path}" for path in done.written]
    if done.home:
        lines.append(f"made the remote in {done.home} (its operator's file: remote.yaml)")
    elif done.added:
        lines.append(f"added git remote {REMOTE}: {done.remote}")
    if done.hook:
        lines.append("installed the pre-push hook: it says before an upload what the remote would say")
    lines += notes(done.notes)
    if not lines:
        lines.append("nothing was missing")
    if done.written or done.added or not done.remote:
        lines += ["next:", *(f"  {step}" for step in _next(done))]
    return lines


def _next(done: Initialised) -> list[str]:
    steps = [] if Path(done.folder) == Path.cwd() else [f"cd {shlex.quote(done.folder)}"]
    if done.uncommitted:
        steps.append("git add -A && git commit -m 'Begin'")
    if not done.remote:
        steps.append(f"git remote add {REMOTE} URL")
    return [*steps, f"git push {REMOTE} {done.branch}"]
