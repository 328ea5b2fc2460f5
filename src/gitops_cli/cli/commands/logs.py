"""`gitops logs [RELEASE] [--app SERVICE] [-f]`."""

from __future__ import annotations

from typing import Annotated

import typer

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.cli.render import Out
from gitops_cli.cli.result import AsJson, EnvironmentName, RemoteName, Result
from gitops_cli.errors import UsageError
from gitops_cli.scaffold.known import Known
from gitops_cli.scaffold.logs import of_release, of_service


def command(  # noqa: PLR0913 - one for each option
    release: Annotated[
        int, typer.Argument(metavar="[RELEASE]", help="A release's number; default: the last.")
    ] = 0,
    *,
    app: Annotated[str, typer.Option(metavar="SERVICE", help="What this service prints.")] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as new lines come (with --app).")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines (with --app).")] = 100,
    environment: EnvironmentName = "",
    remote: RemoteName = "gitops",
    as_json: AsJson = False,
) -> Result:
    """Print what a release printed when it was pushed, or with --app what a service prints."""
    if follow and (as_json or not app):
        raise UsageError("-f goes with --app, and not with --json", next_command="gitops logs --help")
    known = Known(Checkout.need(), remote).fetch()
    if not app:
        number, told = of_release(known, environment, release)
        return Result(data={"release": number, "lines": told}, lines=tuple(told))
    found = of_service(known, environment, app, follow=follow, lines=lines)
    if as_json:
        return Result(data={"app": app, "lines": list(found)})
    out = Out(as_json=False)
    for line in found:
        out.say(line)
    return Result()
