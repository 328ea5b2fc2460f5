"""Jobs and checks: a command of a service, with its files, dependencies and environment, run to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import processes
from gitops_cli.errors import Failed, Refused, StepTimeout
from gitops_cli.targets.local.inventory import ContainerSpec, Variable
from gitops_cli.targets.local.launch import launch

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from gitops_cli.pipeline.protocol import Record, Watcher
    from gitops_cli.targets.local.images import Image
    from gitops_cli.targets.local.inventory import SetSpec
    from gitops_cli.targets.local.launch import Place
    from gitops_cli.targets.local.secrets import Store
    from gitops_cli.targets.protocol import Task


def container_for(task: Task, spec: SetSpec, images: Mapping[str, Image]) -> ContainerSpec:
    """Give the first container that runs the service; a service that no manifest runs has its image's alone.

    Raises `Refused` for a service that is not there.
    """
    for workload in spec.workloads:
        for container in workload.containers:
            if container.service == task.service:
                return container
    image = images.get(task.service)
    if image is None:
        raise Refused(
            f"{task.name} wants the service {task.service}, and there is none", code="local.task-service"
        )
    return ContainerSpec(
        name=task.service,
        service=task.service,
        argv=task.command,
        view=image.view,
        mounts=image.mounts,
        cwd=image.workdir,
        env=tuple(Variable(name=n, value=v) for n, v in image.env.items()),
        dependencies=image.dependencies,
    )


def run_task(  # noqa: PLR0913 - all but the first five by name
    task: Task,
    container: ContainerSpec,
    place: Place,
    store: Store,
    services: Mapping[str, str],
    *,
    record: Record,
    watch: Watcher,
) -> None:
    """Run it. It has no port: PORT is not set. Raises `Failed`, `StepTimeout`."""
    from gitops_cli.targets.local.caged import run_caged  # noqa: PLC0415 - selectors, for releases with jobs only

    spec = msgspec.structs.replace(container, ports=())
    store.ensure(v.secret for v in spec.env if v.secret)

    def start(output: int) -> subprocess.Popen[bytes]:
        child = launch(
            place,
            spec,
            task.command,
            real={},
            secrets=store,
            pod=f"{task.service}-{task.name}",
            services=services,
            stdout=output,
        )
        who = processes.identity(child.pid)
        if who is not None:  # whoever finds us dead kills it; it dies with us anyway
            record.note(process=msgspec.structs.asdict(who))
        return child

    ended = run_caged(start, timeout=task.timeout, tell=lambda line: watch.says(f"{task.name}: {line}"))
    if ended.code is None:
        raise StepTimeout(
            f"{task.name} did not end within {task.timeout:g} s",
            code="local.task-timeout",
            next_command="make it quicker, or raise its `timeoutSeconds` in gitops.yaml",
        )
    if ended.code:
        last = next((line for line in reversed(ended.tail) if line.strip()), "")
        raise Failed(
            f"{task.name} ended with {ended.code}" + (f", its last line: {last}" if last else ""),
            code="local.task-failed",
            next_command="mend it, commit and push again",
        )
