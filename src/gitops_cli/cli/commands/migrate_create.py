"""`gitops migrate create MESSAGE [--sql]`."""

from __future__ import annotations

from typing import Annotated

import typer

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.cli.result import AsJson, Result
from gitops_cli.scaffold.migration import create


def command(
    message: Annotated[str, typer.Argument(help="What it does, in a few words.")],
    *,
    sql: Annotated[bool, typer.Option("--sql", help="Write it in SQL instead of Python.")] = False,
    as_json: AsJson = False,
) -> Result:
    """Write a new migration after the newest one. Fill in both ways, up and down."""
    del as_json
    paths = create(Checkout.need(), message, sql=sql)
    return Result(data={"written": paths}, lines=tuple(f"wrote {path}" for path in paths))
