"""Why a pod can never become ready, from the pod alone.

kubectl, helm and kapp burn their whole timeout on each of these. Nothing here waits for the word
CrashLoopBackOff: the kubelet writes it 10 s after the second exit, the exits are there at once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.targets.kubernetes.readiness import SETTLES, Why, condition, one_line, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitops_cli.targets.kubernetes.readiness import Body

TRIES = 2
_LOOP_SECONDS = 600.0
"""Two exits further apart are no loop: the kubelet forgets them after ten minutes too."""
_PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"})
_NEVER = frozenset({"InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_DEFINITE = (
    "not found",
    "manifest unknown",
    "name unknown",
    "repository does not exist",
    "unauthorized",
    "authentication required",
    "denied",
    "403 forbidden",
    "no match for platform",
    "invalid reference",
)
"""A registry that says so says the same next time."""


class Doom(msgspec.Struct, frozen=True, kw_only=True):
    """Why a pod will not become ready. The texts come from the cluster, and so perhaps from a push."""

    why: Why
    reason: str
    pod: str = ""
    container: str = ""
    holds: float = 0.0
    """Seconds for which it must be so before it is final."""


def pull_failed(status: Mapping[str, Any]) -> bool:
    """Say whether a container's status is that of a pull that failed just now, not of the pause after it."""
    reason = _waiting(status).get("reason")
    return reason in _PULLING and reason != "ImagePullBackOff"


def doom(pod: Body, *, pulls: Mapping[str, int], unschedulable: float, restarts: bool = True) -> Doom | None:
    """Say why a pod cannot become ready; None while it still may.

    `pulls`: pulls seen to fail, by container. `restarts`: the pod is one that must keep running, so that two
    exits are a loop; how often a Job may try is the Job's own rule.
    """
    name = str(pod["metadata"]["name"])
    for status in statuses(pod):
        found = _container(status, pulls.get(str(status.get("name")), 0), restarts=restarts)
        if found is not None:
            return msgspec.structs.replace(found, pod=name, container=str(status.get("name")))
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return Doom(
            why="unschedulable",
            reason=f"no node can take it: {said(scheduled)}",
            pod=name,
            holds=unschedulable,
        )
    return None


def statuses(pod: Body) -> Iterator[Body]:
    """Give the status of each container, those that run first first."""
    status = pod.get("status") or {}
    for part in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(part) or ()


def _container(status: Body, pulls: int, *, restarts: bool) -> Doom | None:
    waiting = _waiting(status)
    reason, message = str(waiting.get("reason") or ""), one_line(str(waiting.get("message") or ""))
    if reason in _NEVER:
        return Doom(why="image", reason=f"{reason}: {message}")
    if reason in _PULLING:
        if pulls >= TRIES or any(word in message.lower() for word in _DEFINITE):
            return Doom(why="image", reason=f"its image cannot be pulled: {message or reason}")
        return None
    if reason in _CONFIG:
        return Doom(why="config", reason=f"{reason}: {message}", holds=SETTLES)
    return _looping(status, reason) if restarts else None


def _looping(status: Body, reason: str) -> Doom | None:
    """Say whether a container ended twice. An exit with 0 counts when the kubelet calls it a loop."""
    now, last = _state(status, "state"), _state(status, "lastState")
    if reason == "CrashLoopBackOff":
        return Doom(why="crash-loop", reason=_ended(last or now))
    if now.get("exitCode") and last.get("exitCode") and _apart(last, now) < _LOOP_SECONDS:
        return Doom(why="crash-loop", reason=_ended(now))
    return None


def _ended(end: Body) -> str:
    code, why = end.get("exitCode"), str(end.get("reason") or "")
    word = f" ({why})" if why not in ("", "Error", "Completed") else ""
    message = one_line(str(end.get("message") or ""))
    return f"ended with {code}{word} twice before it was ready" + (f": {message}" if message else "")


def _apart(first: Body, second: Body) -> float:
    ends = [_time(end.get("finishedAt")) for end in (first, second)]
    return (ends[1] - ends[0]).total_seconds() if ends[0] and ends[1] else 0.0


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None


def _waiting(status: Mapping[str, Any]) -> Body:
    found = (status.get("state") or {}).get("waiting")
    return found if isinstance(found, dict) else {}


def _state(status: Body, part: str) -> Body:
    found = (status.get(part) or {}).get("terminated")
    return found if isinstance(found, dict) else {}


def why_waiting(pod: Body) -> str:
    """Say in a few words what a pod that is not ready does now."""
    for status in statuses(pod):
        reason = str(_waiting(status).get("reason") or "")
        if reason and reason != "PodInitializing":
            return reason
        ended = _state(status, "state")
        if ended.get("exitCode"):
            return f"{status.get('name')} ended with {ended['exitCode']}"
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason") or "not scheduled")
    return ""
