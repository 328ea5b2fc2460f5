"""`gitops validate [REV]`."""

from __future__ import annotations

from typing import Annotated

import typer

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.cli.result import AsJson, Result, notes
from gitops_cli.scaffold.validate import validate


def command(
    revision: Annotated[
        str, typer.Argument(metavar="[REV]", help="A commit; default: the working tree.")
    ] = "",
    *,
    as_json: AsJson = False,
) -> Result:
    """Say what the remote would say of a commit or the working tree.

    Files, manifests, images, migration history; Dockerfiles where the remote has no containers (a note, where
    that is not known here). Not looked at: secrets, the database, and what a cluster says in a dry run.
    """
    del as_json
    said = validate(Checkout.need(), revision)
    return Result(
        data={"revision": revision or "the working tree", "summary": said.summary, "notes": said.notes},
        lines=(f"well-formed: {said.summary}", *notes(said.notes)),
    )
