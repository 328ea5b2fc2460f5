"""What the supervisor tells of a set, as plain JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitops_cli.targets.local.supervisor.replicas import RunningSet


def describe(running: RunningSet) -> dict[str, Any]:
    """Tell whether it is ready, why it never will be, and what each process does. Texts are hostile."""
    doomed = running.doomed
    return {
        "release": running.spec.release,
        "commit": running.spec.commit,
        "ready": running.ready,
        "doomed": [doomed[0], doomed[1].spec.name, doomed[1].reason, list(doomed[1].tail)] if doomed else [],
        "processes": [
            {
                "workload": replica.workload.name,
                "container": instance.spec.name,
                "pid": instance.pid,
                "ready": instance.ready,
                "restarts": instance.restarts,
                "reason": instance.reason,
                "tail": list(instance.tail),
                "ports": {str(number): u.port for number, u in instance.upstreams.items()},
            }
            for replica in running.replicas()
            for instance in replica.containers
        ],
    }
