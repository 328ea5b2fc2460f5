"""In which order objects are sent: what others stand on comes first. They are removed the other way round."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gitops_cli.adapters.kubernetes.objects import Key

T = TypeVar("T")

NAMESPACE = ("", "Namespace")
CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")
CLAIM = ("", "PersistentVolumeClaim")
ORDER: tuple[tuple[tuple[str, str], ...], ...] = (
    (NAMESPACE,),
    (CRD,),
    (
        ("", "ServiceAccount"),
        ("rbac.authorization.k8s.io", "Role"),
        ("", "ConfigMap"),
        ("", "Secret"),
        ("", "ResourceQuota"),
        ("", "LimitRange"),
        CLAIM,
        ("networking.k8s.io", "NetworkPolicy"),
    ),
    (("rbac.authorization.k8s.io", "RoleBinding"),),
    (("", "Service"),),
    (
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("apps", "ReplicaSet"),
        ("batch", "Job"),
        ("batch", "CronJob"),
        ("", "Pod"),
    ),
)
"""Everything else comes last: Ingresses, autoscalers, disruption budgets, objects of other people's kinds."""

_STAGE = {kind: number for number, kinds in enumerate(ORDER) for kind in kinds}
LAST = len(ORDER)
SERVES = _STAGE["", "Service"]
"""From this stage on, the new version starts; what is before it is what its pods need."""


def stage_of(key: Key) -> int:
    """Give the number of an object's stage."""
    return _STAGE.get((key.group, key.kind), LAST)


def staged(items: Iterable[T], key_of: Callable[[T], Key], *, backwards: bool = False) -> Iterator[list[T]]:
    """Give the objects stage by stage, in each in the order that they come in."""

    def number(item: T) -> int:
        return stage_of(key_of(item))

    for _, group in groupby(sorted(items, key=number, reverse=backwards), key=number):
        yield list(group)
