"""Fields that cannot be changed: deleting the object and creating it again, only where that is proven.

Proof is two answers of the server: the causes of its refusal name an immutable field, *and* a dry run of
creating the replacement says that such an object exists already, which it says only after it has found the
replacement valid. An invalid one is 422 again: nothing is ever deleted for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitops_cli.adapters import clock
from gitops_cli.adapters.kubernetes.problems import ApiProblem
from gitops_cli.errors import StepTimeout
from gitops_cli.targets.kubernetes.stages import CLAIM, CRD, NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.adapters.kubernetes.objects import Key, Kind
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.rendering import Rendered

GONE_SECONDS = 60.0
"""How long a deleted object may take to be gone: finalizers, pods that end."""
PAUSE = 0.1
_SAID = re.compile(
    r"field is immutable|may not change once set|is immutable after creation|cannot change roleRef"
    r"|updates to [a-z]+ spec for fields other than"
)
JOB = ("batch", "Job")
HOLDS = frozenset({NAMESPACE, CRD, CLAIM})
"""With these, what is in them is lost."""
SERVES = frozenset(
    {
        ("", "Service"),
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("networking.k8s.io", "Ingress"),
    }
)
"""While one of these is gone, nobody answers."""


def immutable_fields(problem: ApiProblem) -> list[str]:
    """Name the fields that the causes call immutable; none for any other refusal."""
    if not problem.is_invalid:
        return []
    return [cause.field for cause in problem.causes if cause.field and _SAID.search(cause.message)]


def is_valid(answer: object) -> bool:
    """Say whether a dry run of creating it passed validation: it exists, and nothing else is wrong.

    A full quota is asked before that, and after validation; deleting the old one makes room.
    """
    return isinstance(answer, ApiProblem) and (answer.is_exists or answer.is_over_quota)


def consent(key: Key, fields: Sequence[str], options: Sequence[str]) -> str:
    """Say why a push must ask for it, naming the option; empty when it may be done."""
    kind = (key.group, key.kind)
    named = f"{', '.join(fields)} cannot be changed, so it would be deleted and created again"
    if kind == JOB:
        return f"{', '.join(fields)} cannot be changed, as its run cannot be taken back; give it another name"
    if kind in HOLDS and not allows_prune(options, key):
        return f"{named}, with everything in it; push with -o allow-prune={key.kind} if that is meant"
    if kind in SERVES and "expect-downtime" not in options:
        return f"{named}, and would not answer meanwhile; push with -o expect-downtime if that is meant"
    return ""


def allows_prune(options: Sequence[str], key: Key) -> bool:
    """Say whether the push says `-o allow-prune=KIND` for this kind, with or without its group."""
    named = {option.partition("=")[2].lower() for option in options if option.startswith("allow-prune=")}
    return bool(named & {key.kind.lower(), f"{key.kind}.{key.group}".lower().rstrip(".")})


def delete_and_wait(cluster: Cluster, kind: Kind, key: Key, uid: str) -> None:
    """Delete the object with this uid and wait until it is gone. Raises `StepTimeout`, `ApiProblem`."""
    cluster.client.delete(kind, key.namespace, key.name, uid=uid)
    until = clock.monotonic() + GONE_SECONDS
    while True:
        found = cluster.client.get(kind, key.namespace, key.name)
        if found is None or found["metadata"].get("uid") != uid:
            return
        if clock.monotonic() > until:
            raise StepTimeout(
                f"{key.title()} was deleted {GONE_SECONDS:g} s ago and is still there: a finalizer holds it",
                code="kubernetes.not-gone",
            )
        clock.pause(PAUSE)


def recreate(cluster: Cluster, kind: Kind, rendered: Rendered, uid: str) -> dict[str, object]:
    """Delete what is there and create the new one. Raises `GitopsError`."""
    if uid:
        delete_and_wait(cluster, kind, rendered.key, uid)
    return cluster.client.apply(kind, rendered.key.namespace, rendered.body)
