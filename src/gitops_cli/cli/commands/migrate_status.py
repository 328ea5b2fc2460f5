"""`gitops migrate status`."""

from __future__ import annotations

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.cli.result import AsJson, RemoteName, Result, Table
from gitops_cli.scaffold.migration import status


def command(*, remote: RemoteName = "gitops", as_json: AsJson = False) -> Result:
    """List the migrations of the working tree, oldest first, and say which of them are live."""
    del as_json
    found = status(Checkout.need(), remote)
    if not found:
        return Result(data={"migrations": []}, lines=("there are no migrations",))
    rows = tuple((told["revision"], told["state"], told["title"]) for told in found)
    return Result(data={"migrations": found}, table=Table(("revision", "state", "title"), rows))
