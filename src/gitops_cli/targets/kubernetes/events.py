"""What the cluster says of an object in events: why pods are not made, mounted, probed.

Asked only about what is stuck. A credential that may not read events loses a reason, not a release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.kubernetes.problems import ApiProblem
from gitops_cli.targets.kubernetes.pods import found
from gitops_cli.targets.kubernetes.readiness import one_line

if TYPE_CHECKING:
    from gitops_cli.adapters.kubernetes.client import Client
    from gitops_cli.targets.kubernetes.readiness import Body


class Told(msgspec.Struct, frozen=True):
    """One event."""

    reason: str
    message: str
    warning: bool
    time: str
    """RFC 3339, of the last time it happened."""


def told_of(client: Client, namespace: str, uid: str) -> list[Told]:
    """Give the events about one object, the newest first."""
    try:
        listed, _ = client.list_full(
            found(client, "v1", "Event"), namespace, fields=f"involvedObject.uid={uid}"
        )
    except ApiProblem:
        return []
    return sorted((_told(body) for body in listed), key=lambda told: told.time, reverse=True)


def changed_at(body: Body) -> str:
    """Say when somebody last changed what an object wants: what was said before is about something else."""
    entries = body["metadata"].get("managedFields") or ()
    times = [str(e.get("time") or "") for e in entries if not e.get("subresource")]
    return max([*times, str(body["metadata"].get("creationTimestamp") or "")])


def _told(body: Body) -> Told:
    series = body.get("series") or {}
    time = series.get("lastObservedTime") or body.get("lastTimestamp") or body.get("eventTime") or ""
    warning = body.get("type") == "Warning"
    return Told(str(body.get("reason") or ""), one_line(str(body.get("message") or "")), warning, str(time))
