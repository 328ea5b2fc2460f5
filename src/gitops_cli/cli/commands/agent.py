"""`gitops agent [--once]`."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from gitops_cli.adapters import signals
from gitops_cli.cli.render import Out
from gitops_cli.cli.result import AsJson, HomeFolder, Result
from gitops_cli.cli.watch import Told
from gitops_cli.errors import Stopped, UsageError
from gitops_cli.reconcile.agent import Agent
from gitops_cli.scaffold.homes import find_home


def command(
    *,
    once: Annotated[bool, typer.Option("--once", help="Look once, then end.")] = False,
    home: HomeFolder = "",
    as_json: AsJson = False,
) -> Result:
    """Keep what runs equal to what was released: settle, follow, heal; for the remote's operator.

    It goes on until it is stopped (SIGTERM, Ctrl-C). What a person changed in a cluster is put back, and said
    with field, manager and time; what somebody changes again and again is left alone.
    """
    if as_json and not once:
        raise UsageError("--json goes with --once", next_command="gitops agent --once --json")
    out = Out(as_json=as_json)
    agent = Agent(find_home(home), out.say, Told(out))
    if once:
        said = agent.once()
        return Result(data={"done": said}, lines=tuple(said) or ("nothing to do: all is as it was released",))
    signals.install()
    out.say("looking after what was released; stop it with Ctrl-C")
    with contextlib.suppress(Stopped):
        agent.run()
    return Result(lines=("stopped",))
