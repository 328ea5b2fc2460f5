"""Kubernetes manifests, typed and checked as far as every target agrees; each error with file and line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.config.secrets import refuse_secrets
from gitops_cli.config.typed import bad, convert, nearest, without_nulls
from gitops_cli.config.workloads import ConfigMap, Deployment, Manifest, Manifests, Service
from gitops_cli.config.yaml import Document, load_all
from gitops_cli.errors import LimitExceeded

if TYPE_CHECKING:
    from gitops_cli.config.workloads import Container, Probe

MAX_FILES = 5_000
MAX_TOTAL = 16 << 20
MAX_OBJECTS = 10_000
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}$){_LABEL.pattern}(\.{_LABEL.pattern})*")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
_ENV_NAME = re.compile(r"[^=\x00-\x1f]{1,250}")
_LARGEST_PORT = 65_535
_KINDS: dict[tuple[str, str], type[Deployment | Service | ConfigMap]] = {
    ("apps/v1", "Deployment"): Deployment,
    ("v1", "Service"): Service,
    ("v1", "ConfigMap"): ConfigMap,
}


class Reader:
    """Collects the objects of many files. Raises `BadInput` at the first that is wrong."""

    def __init__(self) -> None:
        """Nothing read yet."""
        self._all: list[Manifest] = []
        self._typed: list[Deployment | Service | ConfigMap] = []
        self._seen: dict[tuple[str, str, str, str], Manifest] = {}

    def take(self, data: bytes, file: str) -> None:
        """Read one file."""
        documents = [document for document in load_all(data, file) if document.value is not None]
        for document in documents:
            self._take(document)
        refuse_secrets(data, documents, file)

    def result(self) -> Manifests:
        """Give everything read."""
        return Manifests(
            deployments=tuple(found for found in self._typed if isinstance(found, Deployment)),
            services=tuple(found for found in self._typed if isinstance(found, Service)),
            config_maps=tuple(found for found in self._typed if isinstance(found, ConfigMap)),
            all=tuple(self._all),
        )

    def _take(self, document: Document) -> None:
        manifest = _manifest(document)
        namespace = str((manifest.raw["metadata"]).get("namespace") or "")
        key = (manifest.api_version, manifest.kind, namespace, manifest.name)
        first = self._seen.setdefault(key, manifest)
        if first is not manifest:
            cause = f"{manifest.kind} `{manifest.name}` is already in {first.file}:{first.line}"
            raise bad(document, cause, code="manifest.duplicate")
        if len(self._seen) > MAX_OBJECTS:
            raise LimitExceeded(f"more than {MAX_OBJECTS} objects", code="manifest.limit", file=document.file)
        self._all.append(manifest)
        kind = _KINDS.get((manifest.api_version, manifest.kind))
        if kind is None:
            _known_kind_elsewhere(document, manifest)
            return
        typed = convert(document, kind, without_nulls(document.value))
        typed = msgspec.structs.replace(typed, file=document.file, line=document.line())
        if isinstance(typed, Deployment):
            _check_deployment(document, typed)
        elif isinstance(typed, Service):
            _check_service(document, typed)
        self._typed.append(typed)


def _manifest(document: Document) -> Manifest:
    """Check what every object has. Raises `BadInput`."""
    value = document.value
    if not isinstance(value, dict):
        raise bad(
            document, "a manifest is a mapping with apiVersion, kind and metadata", code="manifest.shape"
        )
    for field in ("apiVersion", "kind"):
        if not isinstance(value.get(field), str) or not value[field]:
            near = (
                ""
                if field in value
                else nearest(field, value).replace("did you mean", "you wrote").rstrip("?")
            )
            raise bad(document, f"`{field}` is missing or no text{near}", field, code="manifest.shape")
    kind = value["kind"]
    if kind.endswith("List") and isinstance(value.get("items"), list):
        cause = f"kind {kind} hides other objects; write each as a document of its own, with --- between them"
        raise bad(document, cause, "kind", code="manifest.list")
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        raise bad(document, "`metadata` is missing or no mapping", "metadata", code="manifest.shape")
    if "generateName" in metadata:
        cause = "`metadata.generateName` makes another object at every release; give it a `name`"
        raise bad(document, cause, "metadata", "generateName", code="manifest.generate-name")
    name = metadata.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[^/%\x00-\x20\x7f]{1,253}", name):
        raise bad(document, "`metadata.name` is missing or no name", "metadata", "name", code="manifest.name")
    if (value["apiVersion"], kind) in _KINDS:
        _check_name(document, name, _SUBDOMAIN if kind == "ConfigMap" else _LABEL, "metadata", "name")
    return Manifest(
        api_version=value["apiVersion"],
        kind=kind,
        name=name,
        raw=value,
        file=document.file,
        line=document.line(),
    )


def _known_kind_elsewhere(document: Document, manifest: Manifest) -> None:
    """Refuse `v1 Deployment` and the like: no target would run it, and nobody would say so."""
    for version, kind in _KINDS:
        group = manifest.api_version.partition("/")[0]
        if manifest.kind == kind and group in {"v1", "apps", "extensions", "core"}:
            raise bad(
                document, f"{kind} belongs to apiVersion {version}", "apiVersion", code="manifest.version"
            )


def _check_name(document: Document, name: str, rule: re.Pattern[str], *path: str | int) -> None:
    if not rule.fullmatch(name):
        cause = f"`{name[:80]}` is no name: lower-case letters, digits and hyphens, at most 63 characters"
        raise bad(document, cause, *path, code="manifest.name")


def _check_deployment(document: Document, deployment: Deployment) -> None:
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
    pod = ("spec", "template", "spec")
    if not spec.template.spec.containers:
        raise bad(
            document, "a pod has at least one container", *pod, "containers", code="manifest.containers"
        )
    names: set[str] = set()
    for group, containers in (
        ("containers", spec.template.spec.containers),
        ("initContainers", spec.template.spec.init_containers),
    ):
        for index, container in enumerate(containers):
            path = (*pod, group, index)
            _check_name(document, container.name, _LABEL, *path, "name")
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


def _check_container(document: Document, container: Container, path: tuple[str | int, ...]) -> None:
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


def _check_probe(document: Document, probe: Probe, path: tuple[str | int, ...], name: str) -> None:
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


def _check_service(document: Document, service: Service) -> None:
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


def _raw(value: Any, path: tuple[str | int, ...]) -> dict[str, Any]:
    for part in path:
        value = value[part]
    return value if isinstance(value, dict) else {}
