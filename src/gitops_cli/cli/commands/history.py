"""`gitops history`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.adapters.clock import stamp
from gitops_cli.cli.result import AsJson, EnvironmentName, RemoteName, Result, Table
from gitops_cli.scaffold.known import Known
from gitops_cli.scaffold.status import history

_COLUMNS = ("release", "environment", "when", "took", "outcome", "commit", "subject")


def command(
    *,
    environment: EnvironmentName = "",
    limit: Annotated[int, typer.Option(min=1, help="How many releases.")] = 20,
    remote: RemoteName = "gitops",
    as_json: AsJson = False,
) -> Result:
    """List the releases, newest first; the refused ones too where the remote is on this machine."""
    del as_json
    data = history(Known(Checkout.need(), remote).fetch(), environment, limit)
    if not data["releases"]:
        return Result(data=data, lines=(f"{remote} has no releases yet",))
    return Result(data=data, table=Table(_COLUMNS, tuple(_row(told) for told in data["releases"])))


def _row(told: dict[str, Any]) -> tuple[str, ...]:
    outcome = told["outcome"] if told["outcome"] == "released" else f"{told['outcome']} in {told['stage']}"
    return (
        str(told["release"]),
        told["environment"],
        stamp(told["started"]),
        f"{told['seconds']:.1f} s",
        outcome,
        told["commit"][:7],
        told["subject"][:60],
    )
