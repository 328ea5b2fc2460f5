"""From manifests and Dockerfiles to the set that runs: everything decided, nothing started."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gitops_cli.config.dockerfile import load_dockerfile
from gitops_cli.errors import BadInput
from gitops_cli.targets.local.images import Image, image_of
from gitops_cli.targets.local.inventory import (
    Backend,
    ContainerSpec,
    Port,
    Route,
    SetSpec,
    Variable,
    WorkloadSpec,
)
from gitops_cli.targets.local.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitops_cli.adapters.home import Home
    from gitops_cli.config.tree import Tree
    from gitops_cli.config.workloads import Container, Deployment, EnvFrom, EnvVar, Manifests, Probe, Service
    from gitops_cli.targets.protocol import AppSet

_PORT_REFERENCE = re.compile(r"\$\(PORT\b|\$\{?PORT\b|\bPORT\b")


class Trees(Protocol):
    """Where a set's files are: a repository, or the working tree alone."""

    def tree(self, name: str, /) -> Tree:
        """Give the tree that a set names."""


def images(wanted: AppSet, repo: Trees, home: Home) -> dict[str, Image]:
    """Read the Dockerfile of every service. Raises `BadInput`."""
    tree = repo.tree(wanted.tree)
    return {
        name: image_of(home, wanted, name, load_dockerfile(tree, spec), tree)
        for name, spec in wanted.project.services.items()
    }


def compile_set(wanted: AppSet, repo: Trees, home: Home, *, key: str) -> SetSpec:
    """Decide everything about a set. Raises `BadInput` with file and line."""
    found = images(wanted, repo, home)
    manifests = wanted.manifests
    workloads = tuple(_workload(d, found, manifests) for d in manifests.deployments)
    specs = {w.name: w for w in workloads}
    routes = tuple(
        Route(
            service=service.metadata.name,
            port=port.port,
            name=port.name,
            backends=tuple(_backends(service, port.target_port or port.port, manifests, specs)),
        )
        for service in manifests.services
        for port in service.spec.ports
    )
    return SetSpec(
        key=key,
        release=wanted.release,
        commit=wanted.commit,
        tree=wanted.tree,
        project=wanted.project.name,
        workloads=workloads,
        routes=routes,
    )


def _workload(deployment: Deployment, found: Mapping[str, Image], manifests: Manifests) -> WorkloadSpec:
    pod = deployment.spec.template.spec

    def make(container: Container) -> ContainerSpec:
        return _container(deployment, container, found, manifests)

    return WorkloadSpec(
        name=deployment.metadata.name,
        replicas=deployment.spec.replicas,
        recreate=deployment.spec.strategy.type == "Recreate",
        grace=pod.termination_grace_period_seconds,
        deadline=deployment.spec.progress_deadline_seconds,
        init=tuple(make(c) for c in pod.init_containers),
        containers=tuple(make(c) for c in pod.containers),
    )


def _container(
    deployment: Deployment, container: Container, found: Mapping[str, Image], manifests: Manifests
) -> ContainerSpec:
    image = found.get(container.image)
    if image is None and "@" in container.image:
        raise BadInput(
            f"container {container.name} of {deployment.metadata.name} runs an image by digest, and the "
            "local target runs only what Dockerfiles of gitops.yaml say",
            code="local.digest",
            file=deployment.file,
            line=line_of(manifests, deployment, container.name, "image"),
            next_command="bind the environment to a cluster, where containers run",
        )
    if image is None:
        raise BadInput(
            f"container {container.name} of {deployment.metadata.name} runs the image {container.image}, "
            "and gitops.yaml has no such service",
            code="local.image",
            file=deployment.file,
            line=line_of(manifests, deployment, container.name, "image"),
        )
    argv = (container.command or image.entrypoint) + (
        container.args or (() if container.command else image.cmd)
    )
    env = [Variable(name=n, value=v) for n, v in image.env.items()]
    for source in container.env_from:
        env += _from(source, manifests, deployment, container)
    env += filter(None, (_variable(v, manifests, deployment, container) for v in container.env))
    ports = _ports(deployment, container, manifests)
    recreate = deployment.spec.strategy.type == "Recreate"
    return ContainerSpec(
        name=container.name,
        service=container.image,
        argv=argv,
        view=image.view,
        mounts=image.mounts,
        cwd=container.working_dir or image.workdir,
        env=tuple(env),
        ports=ports,
        fixed=recreate and is_fixed(argv, env, ports),
        dependencies=image.dependencies,
        readiness=_asked(container.readiness_probe),
        liveness=_asked(container.liveness_probe),
        startup=_asked(container.startup_probe),
    )


def _asked(probe: Probe | None) -> Probe | None:
    """Leave out a probe that asks nothing."""
    if probe is None or (probe.http_get is None and probe.tcp_socket is None and probe.exec is None):
        return None
    return probe


def _ports(deployment: Deployment, container: Container, manifests: Manifests) -> tuple[Port, ...]:
    """Give the container's ports; without any (Kubernetes needs none) those that somebody asks for."""
    if container.ports:
        return tuple(Port(p.container_port, p.name) for p in container.ports)
    numbers: list[int] = []
    for probe in (container.readiness_probe, container.startup_probe, container.liveness_probe):
        handler = (probe.http_get or probe.tcp_socket) if probe is not None else None
        if handler is not None and isinstance(handler.port, int):
            numbers.append(handler.port)
    if container is deployment.spec.template.spec.containers[0]:
        for service in _services_of(deployment, manifests):
            wanted = [p.target_port or p.port for p in service.spec.ports]
            numbers += [n for n in wanted if isinstance(n, int)]
    return tuple(Port(n) for n in dict.fromkeys(numbers))


def _services_of(deployment: Deployment, manifests: Manifests) -> list[Service]:
    return [s for s in manifests.services if _selects(s, deployment)]


def _selects(service: Service, deployment: Deployment) -> bool:
    labels = deployment.spec.template.metadata.labels
    selector = service.spec.selector
    return bool(selector) and all(labels.get(k) == v for k, v in selector.items())


def _backends(
    service: Service, target: int | str, manifests: Manifests, specs: Mapping[str, WorkloadSpec]
) -> list[Backend]:
    """Find which container's port a Service's port leads to, in each workload that it selects."""
    found: list[Backend] = []
    for deployment in manifests.deployments:
        if not _selects(service, deployment):
            continue
        workload = specs[deployment.metadata.name]
        match = next(
            (
                (c.name, p.number)
                for c in workload.containers
                for p in c.ports
                if target in (p.number, p.name)
            ),
            None,
        )
        if match is None:
            raise BadInput(
                f"Service {service.metadata.name} leads to port {target} of {workload.name}, "
                "and no container there has it",
                code="local.target-port",
                file=service.file,
                line=service.line,
            )
        found.append(Backend(workload.name, *match))
    return found


def is_fixed(argv: Sequence[str], env: Sequence[Variable], ports: Sequence[Port]) -> bool:
    """Say whether it listens on the manifest's number: that stands in the command, and PORT does not."""
    own = (v.value for v in env if v.name != "PORT" and "://" not in v.value)  # a URL is somebody else's port
    texts = [*argv, *own]
    if any(_PORT_REFERENCE.search(text) for text in texts) or not ports:
        return False
    return any(re.search(rf"(?<![\d.]){port.number}(?![\d.]\d|\d)", text) for port in ports for text in texts)


def _variable(
    variable: EnvVar, manifests: Manifests, deployment: Deployment, container: Container
) -> Variable | None:
    line = partial(line_of, manifests, deployment, container.name, "env", variable.name)
    source = variable.value_from
    if source is None:
        return Variable(name=variable.name, value=variable.value or "", expand=True)
    if source.secret_key_ref is not None:
        ref = source.secret_key_ref
        return Variable(name=variable.name, secret=ref.name, key=ref.key, optional=ref.optional)
    if source.config_map_key_ref is not None:
        found = _config(manifests, source.config_map_key_ref.name)
        if source.config_map_key_ref.key in found:
            return Variable(name=variable.name, value=found[source.config_map_key_ref.key])
        if source.config_map_key_ref.optional:
            return None
        raise _lacks(deployment, variable.name, source.config_map_key_ref.name, line())
    if source.field_ref is not None and source.field_ref.field_path == "metadata.name":
        return Variable(name=variable.name, pod_name=True)
    what = source.field_ref.field_path if source.field_ref is not None else "its source"
    raise BadInput(
        f"variable {variable.name} of {deployment.metadata.name} comes from {what}, "
        "which the local target does not have",
        code="local.value-from",
        file=deployment.file,
        line=line(),
    )


def _from(
    source: EnvFrom, manifests: Manifests, deployment: Deployment, container: Container
) -> list[Variable]:
    if source.secret_ref is not None:
        ref = source.secret_ref
        return [Variable(name=source.prefix, secret=ref.name, key="*", optional=ref.optional)]
    if source.config_map_ref is None:
        return []
    name = source.config_map_ref.name
    known = {c.metadata.name for c in manifests.config_maps}
    if name not in known and not source.config_map_ref.optional:
        line = line_of(manifests, deployment, container.name, "envFrom", name)
        raise _lacks(deployment, "envFrom", name, line)
    return [Variable(name=source.prefix + k, value=v) for k, v in _config(manifests, name).items()]


def _config(manifests: Manifests, name: str) -> Mapping[str, str]:
    return next((c.data for c in manifests.config_maps if c.metadata.name == name), {})


def _lacks(deployment: Deployment, what: str, source: str, line: int) -> BadInput:
    return BadInput(
        f"{what} of {deployment.metadata.name} wants a key that ConfigMap {source} in this commit "
        "does not have",
        code="local.config-map",
        file=deployment.file,
        line=line,
    )
