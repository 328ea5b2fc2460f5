"""`gitops demo [DIR] [--rm]`."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gitops_cli.cli.render import Out
from gitops_cli.cli.result import AsJson, Result
from gitops_cli.scaffold.demo import Demo, Story, clean_up
from gitops_cli.scaffold.remote import is_remote


def command(
    folder: Annotated[
        str, typer.Argument(metavar="[DIR]", help="A new folder; default: a temporary one.")
    ] = "",
    *,
    rm: Annotated[
        bool, typer.Option("--rm", help="Clean up: afterwards, or an earlier demo in DIR.")
    ] = False,
    as_json: AsJson = False,
) -> Result:
    """Tell the whole story on this machine, in a new folder, in under a minute.

    An empty folder becomes a project; a push serves its page; a migration travels with the code; a push
    that fails changes nothing; a rollback. The project (DIR/app) and its remote (DIR/remote) stay for a
    look around. With --rm everything is stopped and removed afterwards; `gitops demo DIR --rm` on a demo
    that is there only does that.
    """
    place = Path(folder or tempfile.mkdtemp(prefix="gitops-demo-")).absolute()
    demo = Demo(place, Out(as_json=as_json).say)
    if rm and is_remote(demo.home):
        done = clean_up(place)
        return Result(data={"done": done}, lines=tuple(done))
    try:
        story = demo.tell()
    finally:
        if rm and is_remote(demo.home):
            clean_up(place)
    return Result(
        data={**msgspec.to_builtins(story), "removed": rm}, lines=() if rm else tuple(_look_around(story))
    )


def called_as(program: str) -> str:
    """Give the command that starts this program anywhere: its name, if PATH leads to it, else its path."""
    path = Path(program).absolute()
    if path.name != "gitops":  # python -m gitops_cli
        return shlex.join([sys.executable, "-m", "gitops_cli"])
    known = shutil.which(path.name)
    return path.name if known and Path(known).resolve() == path.resolve() else shlex.quote(str(path))


def _look_around(story: Story) -> list[str]:
    folder, gitops = shlex.quote(story.folder), called_as(sys.argv[0])
    return [
        f"The first page came after {story.seconds_to_first_page:.1f} s, all after {story.seconds:.1f} s.",
        f"It runs at {story.url}",
        f"Look around: cd {folder}/app, then {gitops} status (or history, or logs)",
        f"Clean up:    {gitops} demo {folder} --rm",
    ]
