"""Rules for typed manifests that no schema has: names, ports, selectors, probes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gitops_cli.config.typed import bad, nearest

if TYPE_CHECKING:
    from gitops_cli.config.workloads import Container, Deployment, PodSpec, Probe, Service
    from gitops_cli.config.yaml import Document, Path

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(rf"(?=.{{1,253}}$){LABEL.pattern}(\.{LABEL.pattern})*")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
_ENV_NAME = re.compile(r"[^=\x00-\x1f]{1,250}")
_LARGEST_PORT = 65_535


def check_name(document: Document, name: str, rule: re.Pattern[str], *path: str | int) -> None:
    """Refuse a name that its rule does not take. Raises `BadInput` with the line of `path`."""
    if not rule.fullmatch(name):
        cause = f"`{name[:80]}` is no name: lower-case letters, digits and hyphens, at most 63 characters"
        raise bad(document, cause, *path, code="manifest.name")


def check_deployment(document: Document, deployment: Deployment) -> None:
    """Refuse one that selects none of its own pods, or whose containers are wrong. Raises `BadInput`."""
    spec = deployment.spec
    selector = spec.selector.match_labels
    if not selector and not document.value["spec"]["selector"].get("matchExpressions"):
        cause = "`spec.selector.matchLabels` is empty, so it would select nothing"
        raise bad(document, cause, "spec", "selector", code="manifest.selector")
    labels = spec.template.metadata.labels
    for key, value in selector.items():
        if labels.get(key) != value:
            cause = f"`spec.selector.matchLabels` wants `{key}: {value}`, but the pods are labelled " + (
                f"`{key}: {labels[key]}`" if key in labels else f"without `{key}`"
            )
            raise bad(document, cause, "spec", "selector", "matchLabels", key, code="manifest.selector")
    if spec.replicas < 0:
        raise bad(
            document, "`spec.replicas` must not be negative", "spec", "replicas", code="manifest.number"
        )
    _check_containers(document, spec.template.spec)


def _check_containers(document: Document, spec: PodSpec) -> None:
    pod = ("spec", "template", "spec")
    if not spec.containers:
        raise bad(
            document, "a pod has at least one container", *pod, "containers", code="manifest.containers"
        )
    names: set[str] = set()
    for group, containers in (
        ("containers", spec.containers),
        ("initContainers", spec.init_containers),
    ):
        for index, container in enumerate(containers):
            path = (*pod, group, index)
            check_name(document, container.name, LABEL, *path, "name")
            if container.name in names:
                raise bad(
                    document,
                    f"two containers are called `{container.name}`",
                    *path,
                    "name",
                    code="manifest.name",
                )
            names.add(container.name)
            _check_container(document, container, path)


def _check_container(document: Document, container: Container, path: Path) -> None:
    if not container.image:
        raise bad(
            document,
            "`image` names a service of gitops.yaml; it is empty",
            *path,
            "image",
            code="manifest.image",
        )
    for index, port in enumerate(container.ports):
        _check_port(document, port.container_port, *path, "ports", index, "containerPort")
        if port.name and not _PORT_NAME.fullmatch(port.name):
            raise bad(
                document,
                f"`{port.name[:40]}` is no port name",
                *path,
                "ports",
                index,
                "name",
                code="manifest.name",
            )
    for index, variable in enumerate(container.env):
        if not _ENV_NAME.fullmatch(variable.name):
            raise bad(
                document,
                "a variable needs a name without `=`",
                *path,
                "env",
                index,
                "name",
                code="manifest.env",
            )
        if variable.value and variable.value_from:
            cause = f"`{variable.name}` has both `value` and `valueFrom`"
            raise bad(document, cause, *path, "env", index, code="manifest.env")
    _check_probes(document, container, path)


def _check_probes(document: Document, container: Container, path: Path) -> None:
    probes: dict[str, Probe | None] = {
        "readinessProbe": container.readiness_probe,
        "livenessProbe": container.liveness_probe,
        "startupProbe": container.startup_probe,
    }
    raw = _raw(document.value, path)
    for name in raw:
        near = nearest(name, probes) if name.lower().endswith("probe") and name not in probes else ""
        if near:
            raise bad(document, f"`{name}` is not known here{near}", *path, name, code="manifest.field")
    for name, probe in probes.items():
        if probe is not None:
            _check_probe(document, probe, path, name)


def _check_probe(document: Document, probe: Probe, path: Path, name: str) -> None:
    ways = [way for way in (probe.http_get, probe.tcp_socket, probe.exec) if way is not None]
    if len(ways) > 1:
        cause = f"`{name}` has more than one of httpGet, tcpSocket and exec"
        raise bad(document, cause, *path, name, code="manifest.probe")
    for key, handler in (("httpGet", probe.http_get), ("tcpSocket", probe.tcp_socket)):
        if handler is not None and isinstance(handler.port, int):
            _check_port(document, handler.port, *path, name, key, "port")
    if probe.period_seconds < 1 or probe.timeout_seconds < 1 or probe.failure_threshold < 1:
        cause = f"`{name}`: periodSeconds, timeoutSeconds and failureThreshold must be at least 1"
        raise bad(document, cause, *path, name, code="manifest.probe")


def check_service(document: Document, service: Service) -> None:
    """Refuse ports out of range or without names of their own. Raises `BadInput`."""
    names: set[str] = set()
    for index, port in enumerate(service.spec.ports):
        path = ("spec", "ports", index)
        _check_port(document, port.port, *path, "port")
        if isinstance(port.target_port, int):
            if port.target_port or "targetPort" in _raw(document.value, path):
                _check_port(document, port.target_port, *path, "targetPort")
        elif not _PORT_NAME.fullmatch(port.target_port):
            raise bad(document, "`targetPort` is neither a number nor a port's name", *path, "targetPort")
        if port.name in names or (not port.name and len(service.spec.ports) > 1):
            raise bad(document, "of several ports each has a `name` of its own", *path, code="manifest.port")
        names.add(port.name)


def _check_port(document: Document, port: int, *path: str | int) -> None:
    if not 1 <= port <= _LARGEST_PORT:
        raise bad(
            document, f"`{path[-1]}` must be 1 to {_LARGEST_PORT}, not {port}", *path, code="manifest.port"
        )


def _raw(value: Any, path: Path) -> dict[str, Any]:
    for part in path:
        value = value[part]
    return value if isinstance(value, dict) else {}
