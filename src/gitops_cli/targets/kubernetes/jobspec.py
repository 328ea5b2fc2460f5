"""The Job that runs a task: the container of the service that it names, with another command.

It has what the service has: image, environment with its secrets, volumes, account, security context. It has
no probe, no port and no Service in front of it, and it runs once.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from gitops_cli.config.images import Images
from gitops_cli.config.pods import listed, mapping, pods
from gitops_cli.config.typed import without_nulls
from gitops_cli.errors import Refused
from gitops_cli.targets.kubernetes.rendering import labels

if TYPE_CHECKING:
    from gitops_cli.config.remote import KubernetesAt
    from gitops_cli.targets.protocol import AppSet, Task

RELEASE = "gitops-cli/release"
JOB = "gitops-cli/job"
KEPT_SECONDS = 600
"""A Job that nobody removed is removed by the cluster that long after its end."""
ENDS_SECONDS = 5
"""What a task that is stopped may still do."""
_MOST_NAME = 63
_OF_A_SERVER = frozenset({"ports", "readinessProbe", "livenessProbe", "startupProbe", "lifecycle"})
_OF_A_POD = frozenset(
    {
        "automountServiceAccountToken",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "hostAliases",
        "imagePullSecrets",
        "nodeSelector",
        "os",
        "priorityClassName",
        "runtimeClassName",
        "schedulerName",
        "securityContext",
        "serviceAccountName",
        "tolerations",
        "volumes",
    }
)
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""For a service that no manifest runs: what the restricted Pod Security Standard wants."""


def job_name(wanted: AppSet, task: Task) -> str:
    """Name the Job: the same for every attempt of one release, so that what a killed one left is found."""
    name = f"{wanted.project.name}-{task.name}-{wanted.release}"
    where = hashlib.sha256(f"{wanted.environment}/{name}".encode()).hexdigest()[:6]
    return f"{name[: _MOST_NAME - 7].rstrip('-')}-{where}"


def job(task: Task, wanted: AppSet, at: KubernetesAt) -> dict[str, Any]:
    """Make the Job. Raises `Refused` for a service that is not there or has no image."""
    pod, container = _found(task, wanted, at)
    which = {RELEASE: str(wanted.release), JOB: task.name}
    container["command"] = list(task.command)
    container.pop("args", None)
    ours = labels(wanted.project.name, wanted.environment)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job_name(wanted, task), "namespace": at.namespace, "labels": {**ours, **which}},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "activeDeadlineSeconds": max(math.ceil(task.timeout), 1),
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": {"labels": which},  # not the service's own: no Service may send it requests
                "spec": {
                    **pod,
                    "containers": [container],
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": ENDS_SECONDS,
                },
            },
        },
    }


def _found(task: Task, wanted: AppSet, at: KubernetesAt) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the first pod that runs the service, and its container; or ones made of the image alone."""
    images = Images(wanted.project.services, at.images)
    for manifest in wanted.manifests.all:
        for pod in pods(without_nulls(manifest.raw)):
            for index, found in enumerate(listed(pod.spec.get("containers"))):
                container = mapping(found)
                if container.get("image") == task.service:
                    path = (*pod.path, "containers", index, "image")
                    pinned = images.pinned(task.service, manifest, path)
                    spec = {name: value for name, value in pod.spec.items() if name in _OF_A_POD}
                    if "serviceAccountName" not in spec:  # one that is named was allowed by policy
                        spec["automountServiceAccountToken"] = False
                    kept = {name: value for name, value in container.items() if name not in _OF_A_SERVER}
                    return spec, {**kept, "image": pinned}
    if task.service not in at.images:
        raise Refused(
            f"{task.name} wants the service {task.service}, and there is none with an image in the cluster",
            code="kubernetes.task-service",
        )
    container = {"name": task.service, "image": at.images[task.service], "securityContext": dict(_RESTRICTED)}
    return {"automountServiceAccountToken": False}, container
