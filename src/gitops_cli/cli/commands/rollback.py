"""`gitops rollback [RELEASE] [-o OPTION]...`."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.cli.render import Out
from gitops_cli.cli.result import AsJson, EnvironmentName, RemoteName, Result
from gitops_cli.errors import Failed
from gitops_cli.scaffold.rollback import rollback


def command(
    release: Annotated[
        int, typer.Argument(metavar="[RELEASE]", help="Go back to this one; default: before the last.")
    ] = 0,
    *,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="OPTION", help="A push option, as git push -o."),
    ] = None,
    environment: EnvironmentName = "",
    remote: RemoteName = "gitops",
    as_json: AsJson = False,
) -> Result:
    """Push a commit whose tree is that of an earlier release: a forward commit by an ordinary push.

    The database goes back too. A rollback that would lose data is refused, naming it, until pushed
    with -o accept-loss=NAME.
    """
    out = Out(as_json=as_json)
    output: list[str] = []

    def say(line: str) -> None:
        output.append(line)
        out.say(line)

    try:
        done = rollback(
            Checkout.need(),
            release=release,
            environment=environment,
            options=option or (),
            remote=remote,
            say=say,
        )
    except Failed as error:
        if as_json and error.code == "rollback.refused":  # nobody saw the reasons of the push
            error.cause = " | ".join(
                ["the push was refused", *(line for line in output if "remote:" in line)]
            )
        raise
    lines = [
        f"{done.environment} is as release {done.release} was, as commit {done.commit[:7]} of {done.branch}"
    ]
    if done.local_branch != "moved":
        lines.append(f"your branch stayed where it is: {done.local_branch}")
    return Result(data={**msgspec.to_builtins(done), "output": output}, lines=tuple(lines))
