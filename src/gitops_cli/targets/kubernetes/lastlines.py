"""The last lines of a container that keeps a release from going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.errors import GitopsError
from gitops_cli.targets.kubernetes.pods import ready
from gitops_cli.targets.kubernetes.verdicts import statuses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitops_cli.adapters.kubernetes.client import Client
    from gitops_cli.targets.kubernetes.readiness import Body

LINES = 20
MOST_LINE = 2000
_KUBELETS = ("failed to try resolving symlinks in path", "unable to retrieve container logs")
"""What the kubelet writes in place of a log that it has removed."""


def last_lines(client: Client, namespace: str, pod: str, container: str) -> list[str]:
    """Give the last lines of a container, of the run that ended if it waits to be started again; hostile.

    None when there are none: a reason for a failure is never lost because its log is.
    """
    for previous in (False, True):
        try:
            found = list(
                client.logs(namespace, pod, container=container, tail=LINES, previous=previous, timeout=5.0)
            )
        except GitopsError:
            continue
        if found and not found[0].startswith(_KUBELETS):
            return [line[:MOST_LINE] for line in found][-LINES:]
    return []


def talking(pods: Iterable[Body], pod: str = "", container: str = "") -> tuple[str, str]:
    """Name the pod and container whose lines tell most: what is blamed, else the first that is not ready."""
    if pod and container:
        return pod, container
    for body in pods:
        name = str(body["metadata"]["name"])
        if ready(body) or pod not in ("", name):
            continue
        for status in statuses(body):
            if not status.get("ready") and (
                "waiting" not in (status.get("state") or {}) or status.get("lastState")
            ):
                return name, str(status.get("name"))
    return "", ""
