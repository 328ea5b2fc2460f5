"""`gitops remote init DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gitops_cli.adapters.created import Created
from gitops_cli.adapters.home import Home
from gitops_cli.cli.result import AsJson, Result, notes
from gitops_cli.scaffold.remote import make_remote


def command(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The remote's folder.")],
    *,
    branch: Annotated[str, typer.Option(help="The branch that releases to `production`.")] = "main",
    as_json: AsJson = False,
) -> Result:
    """Make a remote: a bare repository with hooks, and remote.yaml, the operator's file.

    On a remote that is there, it mends settings and hooks and leaves remote.yaml alone.
    """
    del as_json
    with Created() as created:
        made = make_remote(Home(Path(folder)), branch, created)
    lines = [
        f"made the remote in {made.home}" if made.new else f"{made.home} is a remote already",
        *notes(made.notes),
        "developers add it with:",
        f"  gitops init --remote {made.url}",
    ]
    data = {"home": made.home, "url": made.url, "new": made.new, "notes": list(made.notes)}
    return Result(data=data, lines=tuple(lines))
