"""`gitops migrate check`."""

from __future__ import annotations

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.cli.result import AsJson, RemoteName, Result
from gitops_cli.scaffold.migration import check


def command(*, remote: RemoteName = "gitops", as_json: AsJson = False) -> Result:
    """Rehearse the new migrations on a scratch database: up, down and up again.

    Needs the remote on this machine, whose database it copies the schema of; nothing of it is changed.
    """
    del as_json
    said = check(Checkout.need(), remote)
    return Result(data={"said": said}, lines=tuple(said))
