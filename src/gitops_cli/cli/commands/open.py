"""`gitops open [SERVICE]`."""

from __future__ import annotations

from typing import Annotated

import typer

from gitops_cli.adapters import signals, web
from gitops_cli.adapters.checkout import Checkout
from gitops_cli.cli.render import Out
from gitops_cli.cli.result import AsJson, EnvironmentName, RemoteName, Result
from gitops_cli.errors import Stopped
from gitops_cli.scaffold.known import Known
from gitops_cli.scaffold.opening import opened


def command(
    service: Annotated[
        str, typer.Argument(metavar="[SERVICE]", help="A Service; default: the first with a port.")
    ] = "",
    *,
    only_print: Annotated[bool, typer.Option("--print", help="Only print the URL.")] = False,
    environment: EnvironmentName = "",
    remote: RemoteName = "gitops",
    as_json: AsJson = False,
) -> Result:
    """Open the page of a service in a browser.

    In a cluster, a Service without an address of its own is reached through a door on this machine, with the
    operator's rights; it is open until Ctrl-C.
    """
    out = Out(as_json=as_json)
    with opened(Known(Checkout.need(), remote).fetch(), environment, service) as door:
        out.say(door.url)
        if not only_print and not as_json:
            web.show(door.url)
        if door.lasts or as_json:
            return Result(data={"url": door.url, "lasts": door.lasts})
        out.say("open until Ctrl-C")
        signals.install()
        try:
            signals.wait()
        except Stopped:
            return Result()
    return Result()
