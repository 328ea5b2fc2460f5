"""Live objects as a server gives them, made short: what the rules read and nothing else."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]


def body(
    api_version: str, kind: str, *, spec: Body | None = None, status: Body | None = None, **meta: Any
) -> Body:
    """One object of generation 2 that its controller has seen, unless the test says otherwise."""
    metadata = {"name": "web", "uid": "u-web", "generation": 2, **meta}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata,
        "spec": spec or {},
        "status": status or {},
    }


def seen(**status: Any) -> Body:
    """The status of a controller that has read generation 2."""
    return {"observedGeneration": 2, **status}


def conditions(*told: str, **details: Any) -> list[Body]:
    """Conditions written `Type=Status` or `Type=Status:Reason`."""
    found = []
    for text in told:
        kind, _, rest = text.partition("=")
        status, _, reason = rest.partition(":")
        found.append(
            {"type": kind, "status": status, "reason": reason, "message": f"about {kind}", **details}
        )
    return found


def pod(
    name: str = "web-1", *, containers: list[Body] | None = None, owner: str = "u-set", **status: Any
) -> Body:
    """A pod with the given container states."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "uid": f"u-{name}",
            "ownerReferences": [{"uid": owner, "controller": True}],
            "labels": {},
        },
        "status": {"phase": "Running", "containerStatuses": containers or [], **status},
    }


def container(name: str = "web", *, restarts: int = 0, last: Body | None = None, **state: Body) -> Body:
    """A container's status: `waiting={...}`, `running={}` or `terminated={...}`."""
    found: Body = {"name": name, "ready": False, "restartCount": restarts, "state": state}
    return found | ({"lastState": {"terminated": last}} if last else {})
