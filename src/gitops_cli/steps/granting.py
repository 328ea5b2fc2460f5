"""Which rights in a cluster an environment needs, as manifests for the cluster's administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.config.confinement import CLUSTER_SCOPED, KINDS
from gitops_cli.config.project import Check, Job, Project
from gitops_cli.errors import Refused
from gitops_cli.pipeline.protocol import SILENT

if TYPE_CHECKING:
    from gitops_cli.adapters.kubernetes.objects import Kind
    from gitops_cli.config.remote import Environment
    from gitops_cli.steps.surroundings import Surroundings

_WHOLE = Project(
    name="any",
    jobs={"any": Job(service="any", command=("any",))},
    checks={"any": Check(service="any", http="/")},
)
"""A project that uses everything there is."""


def chosen(around: Surroundings, name: str) -> Environment:
    """Give the environment of that name; without one, the only one in a cluster. Raises `Refused`."""
    if name:
        return around.environment(name)
    found = [each for each in around.remote.environments.values() if each.kubernetes is not None]
    if len(found) == 1:
        return found[0]
    names = ", ".join(each.name for each in found)
    raise Refused(
        f"which environment? {names} are in clusters" if found else "no environment is in a cluster",
        code="rbac.which",
        next_command="the same with --environment NAME" if found else "",
        file=str(around.home.config),
    )


def rbac(around: Surroundings, environment: Environment, *, whole: bool = False) -> str:
    """Write what the branch's newest commit needs; before the first push, or `whole`: any project may bring.

    Raises `Refused` for an environment that is in no cluster, `BadInput` when the commit cannot be read.
    """
    at = environment.kubernetes
    if at is None:
        raise Refused(
            f"{environment.name} is not in a cluster: its target is {environment.target_name}",
            code="rbac.local",
            file=str(around.home.config),
        )
    from gitops_cli.targets.kubernetes.rbac import kind_named, manifests  # noqa: PLC0415 - for clusters only

    tip = around.repo.resolve(environment.ref)
    project, names = _WHOLE, set(KINDS)
    if tip and not whole:
        content = around.context(environment, SILENT).content(tip)
        project = content.project
        found = content.manifests.all
        names = {(each.api_version.rpartition("/")[0], each.kind) for each in found}
    names |= {
        (kind.rpartition("/")[0].rpartition("/")[0], kind.rpartition("/")[2])
        for kind in environment.policy.kinds
    }
    kinds: set[Kind] = {
        kind_named(group, kind, namespaced=True) for group, kind in names if kind not in CLUSTER_SCOPED
    }
    return manifests(environment.name, at, environment.policy, kinds, project)
