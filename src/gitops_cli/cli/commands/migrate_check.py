"""`gitops migrate check`."""

from __future__ import annotations

import msgspec

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.cli.render import Out
from gitops_cli.cli.result import AsJson, EnvironmentName, RemoteName, Result
from gitops_cli.cli.watch import Told
from gitops_cli.scaffold.rehearsing import check


def command(
    *, environment: EnvironmentName = "", remote: RemoteName = "gitops", as_json: AsJson = False
) -> Result:
    """Rehearse the new migrations of the working tree on a scratch database: up, down and up again.

    Where the remote is this account's on this machine, its database's schema is copied; nothing of it is
    changed. Anywhere else the migrations are read, not run, and compared with what was fetched last.
    """
    found = check(Checkout.need(), remote, environment, Told(Out(as_json=as_json)))
    head = [f"{found.environment}: {found.said}" if found.environment else found.said]
    return Result(data=msgspec.to_builtins(found), lines=(*found.pending, *head))
