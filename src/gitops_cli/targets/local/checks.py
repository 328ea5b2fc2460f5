"""What processes of one machine cannot be, refused by name before anything has happened."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gitops_cli.errors import BadInput, LimitExceeded, Refused
from gitops_cli.targets.local import installers
from gitops_cli.targets.local.compile import is_fixed
from gitops_cli.targets.local.lines import line_of
from gitops_cli.targets.local.secrets import DATABASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitops_cli.config.workloads import Deployment, Manifest, Manifests
    from gitops_cli.targets.local.images import Image
    from gitops_cli.targets.local.inventory import ContainerSpec, SetSpec, WorkloadSpec
    from gitops_cli.targets.local.secrets import Store

MOST_PROCESSES = 64
_NOT_RUN = frozenset(
    {"StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "ReplicaSet", "ReplicationController"}
)
_ELSEWHERE = "bind the environment to a cluster, where containers run"


def check_set(spec: SetSpec, images: Mapping[str, Image], manifests: Manifests, store: Store) -> None:
    """Check a set. Raises `BadInput`, `LimitExceeded`, `Refused`."""
    check_shape(spec, images, manifests)
    deployments = {d.metadata.name: d for d in manifests.deployments}
    for workload in spec.workloads:
        for container in workload.init + workload.containers:
            _check_secrets(deployments[workload.name], container, store, manifests)


def check_shape(spec: SetSpec, images: Mapping[str, Image], manifests: Manifests) -> None:
    """Check what the commit alone tells, without the operator's secrets. Raises as `check_set` does."""
    for manifest in manifests.all:
        _check_kind(manifest)
    for image in images.values():
        _check_image(image)
    count = sum(w.replicas * len(w.containers) for w in spec.workloads)
    if count > MOST_PROCESSES:
        raise LimitExceeded(
            f"{count} processes are wanted and one machine runs at most {MOST_PROCESSES}",
            code="local.processes",
        )
    deployments = {d.metadata.name: d for d in manifests.deployments}
    for workload in spec.workloads:
        for container in workload.init + workload.containers:
            _check_container(deployments[workload.name], workload, container, manifests)


def _check_kind(manifest: Manifest) -> None:
    if manifest.kind in _NOT_RUN:
        raise BadInput(
            f"{manifest.kind} {manifest.name} cannot run on the local target, which runs Deployments",
            code="local.kind",
            file=manifest.file,
            line=manifest.line,
            next_command=_ELSEWHERE,
        )
    if manifest.kind == "Deployment":
        for volume in _volumes(manifest.raw):
            raise BadInput(
                f"the volume {volume} of {manifest.name} cannot be had on the local target",
                code="local.volume",
                file=manifest.file,
                line=manifest.line,
                next_command=_ELSEWHERE,
            )
    if manifest.kind == "Service":
        for port in manifest.raw.get("spec", {}).get("ports") or ():
            if isinstance(port, dict) and port.get("protocol", "TCP") != "TCP":
                raise BadInput(
                    f"Service {manifest.name} wants {port.get('protocol')}, and only TCP is forwarded here",
                    code="local.protocol",
                    file=manifest.file,
                    line=manifest.line,
                )


def _volumes(raw: dict[str, Any]) -> list[str]:
    """Name the volumes that are more than scratch space below /tmp."""
    pod = raw.get("spec", {}).get("template", {}).get("spec", {})
    scratch = {
        str(v.get("name")) for v in pod.get("volumes") or () if isinstance(v, dict) and "emptyDir" in v
    }
    found = [
        str(v.get("name")) for v in pod.get("volumes") or () if isinstance(v, dict) and "emptyDir" not in v
    ]
    for container in pod.get("containers") or ():
        for mount in container.get("volumeMounts") or ():
            path = str(mount.get("mountPath", ""))
            if str(mount.get("name")) in scratch and path != "/tmp" and not path.startswith("/tmp/"):  # noqa: S108 - in the cage
                found.append(str(mount.get("name")))
    return found


def _check_image(image: Image) -> None:
    for line in image.unsupported:
        raise BadInput(
            f"{line.text} needs a container, and the local target only installs dependencies",
            code="local.dockerfile",
            file=image.file,
            line=line.line,
            next_command=f"leave it out, or {_ELSEWHERE}",
        )
    installers.refuse(image.plan)


def _check_container(
    deployment: Deployment, workload: WorkloadSpec, container: ContainerSpec, manifests: Manifests
) -> None:
    line = partial(line_of, manifests, deployment, container.name)
    if not container.argv:
        raise BadInput(
            f"container {container.name} of {workload.name} has no command, nor has its Dockerfile",
            code="local.command",
            file=deployment.file,
            line=line(),
        )
    if not is_fixed(container.argv, container.env, container.ports):
        return
    port = container.ports[0].number
    if not workload.recreate:
        raise BadInput(
            f"container {container.name} of {workload.name} listens on {port} whatever PORT says, "
            "so the new version cannot run beside the old one",
            code="local.fixed-port",
            next_command="let it listen on $PORT (a CMD in shell form), or set strategy: {type: Recreate}",
            file=deployment.file,
            line=line("command"),
        )
    if workload.replicas > 1:
        raise BadInput(
            f"{workload.replicas} replicas of {workload.name} cannot all listen on {port} of one machine",
            code="local.fixed-replicas",
            next_command="let it listen on $PORT, or set replicas: 1",
            file=deployment.file,
            line=line("command"),
        )


def _check_secrets(
    deployment: Deployment, container: ContainerSpec, store: Store, manifests: Manifests
) -> None:
    """Refuse what the store does not have. The database's own secret comes with the database."""
    for variable in container.env:
        name, key = variable.secret, variable.key
        if not name or variable.optional or (name == DATABASE and store.has_database()):
            continue
        there = store.keys(name) if key == "*" else store.value(name, key) is not None
        if not there:
            field, entry = ("envFrom", name) if key == "*" else ("env", variable.name)
            what = f"the secret {name}" if key == "*" else f"key {key} of the secret {name}"
            raise Refused(
                f"{deployment.metadata.name} wants {what}, which the operator's store does not have",
                code="local.secret-missing",
                file=deployment.file,
                line=line_of(manifests, deployment, container.name, field, entry),
                next_command=f"on the remote, write it to secrets/{name}/{'KEY' if key == '*' else key} "
                "beside remote.yaml",
            )
