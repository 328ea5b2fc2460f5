"""`gitops remote rbac`."""

from __future__ import annotations

from typing import Annotated

import typer

from gitops_cli import releases
from gitops_cli.cli.result import AsJson, EnvironmentName, HomeFolder, Result
from gitops_cli.scaffold.homes import find_home


def command(
    *,
    whole: Annotated[
        bool, typer.Option("--any", help="What any project may bring, not only the newest commit.")
    ] = False,
    environment: EnvironmentName = "",
    home: HomeFolder = "",
    as_json: AsJson = False,
) -> Result:
    """Print the least Role that a remote needs in its namespace, for `kubectl apply -f -`.

    ServiceAccount, Role and RoleBinding: no right on secrets, no wildcard, and nothing of the whole cluster
    unless `policy.clusterScoped` in remote.yaml names it. For the newest commit of the environment's branch;
    before the first push, for any project.
    """
    del as_json
    text = releases.rbac(find_home(home), environment, whole=whole)
    return Result(data={"manifests": text}, lines=tuple(text.splitlines()))
