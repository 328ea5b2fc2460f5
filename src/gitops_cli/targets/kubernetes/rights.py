"""Whether the credential may do what a release does, said before anything begins; asked once and kept."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.kubernetes.rights import Right, missing_rights
from gitops_cli.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitops_cli.adapters.kubernetes.objects import Kind
    from gitops_cli.config.project import Project
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.rendering import Rendered

VERBS = ("get", "list", "watch", "create", "patch", "delete")
"""A server-side apply of what is new needs both `create` and `patch`; putting back needs `delete`."""
_SEEN = (("", "pods"), ("apps", "replicasets"), ("", "events"))
"""What a rollout is judged by."""
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"})


def needed(kinds: Iterable[Kind], project: Project, namespace: str) -> list[Right]:
    """Give every right that releasing a project needs: no more is asked for, and no less would do."""
    kinds = set(kinds)
    wanted = {
        Right(verb, kind.group, kind.plural, namespace if kind.namespaced else "")
        for kind in kinds
        for verb in VERBS
    }
    tasks = bool(project.jobs) or any(check.command for check in project.checks.values())
    if tasks:
        wanted |= {Right(verb, "batch", "jobs", namespace) for verb in VERBS if verb != "patch"}
    if tasks or any(kind.kind in _WORKLOADS for kind in kinds):
        wanted |= {Right(verb, *what, namespace) for what in _SEEN for verb in ("get", "list", "watch")}
        wanted.add(Right("get", "", "pods/log", namespace))
    if any(kind.kind == "StatefulSet" for kind in kinds):
        wanted.add(Right("delete", "", "pods", namespace))  # a broken one bars the next version
        wanted |= {Right(verb, "", "persistentvolumeclaims", namespace) for verb in ("get", "delete")}
    if any(check.http for check in project.checks.values()):
        wanted.add(Right("get", "", "services/proxy", namespace))
    return sorted(wanted)


def refuse_missing(cluster: Cluster, rendered: Sequence[Rendered], project: Project) -> None:
    """Raise `Refused` naming every verb and kind that the credential may not use, with the rule to add."""
    kinds = {kind for one in rendered if (kind := cluster.kind(one)) is not None}
    missing = missing_rights(cluster.client, needed(kinds, project, cluster.at.namespace))
    if missing:
        first, *others = sentences(missing)
        raise Refused(
            first,
            code="kubernetes.right",
            next_command="add it, or gitops remote rbac --any | kubectl apply -f -",
            also=tuple(others),
        )


def sentences(missing: Iterable[Right]) -> list[str]:
    """Say what is missing, a sentence for each kind."""
    verbs: dict[Right, list[str]] = defaultdict(list)
    for right in missing:
        verbs[msgspec.structs.replace(right, verb="")].append(right.verb)
    return [
        msgspec.structs.replace(about, verb=", ".join(sorted(told))).sentence()
        for about, told in sorted(verbs.items())
    ]
