"""The part of Kubernetes manifests that every target reads; other fields stay in `raw`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from gitops_cli.config.yaml import Document, Path


class _Spec(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Fields in camelCase; fields that no target reads are ignored here and kept in `raw`."""


class HttpGet(_Spec, frozen=True):
    """An HTTP probe."""

    port: int | str
    path: str = "/"
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"


class TcpSocket(_Spec, frozen=True):
    """A probe that connects."""

    port: int | str


class Exec(_Spec, frozen=True):
    """A probe that runs a command."""

    command: tuple[str, ...] = ()


class Probe(_Spec, frozen=True):
    """When is it ready, alive, started. Seconds, and Kubernetes' defaults."""

    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    exec: Exec | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3


class KeyRef(_Spec, frozen=True):
    """A key of a Secret or ConfigMap."""

    name: str
    key: str
    optional: bool = False


class FieldRef(_Spec, frozen=True):
    """A field of the pod itself."""

    field_path: str


class ValueFrom(_Spec, frozen=True):
    """Where a value comes from."""

    secret_key_ref: KeyRef | None = None
    config_map_key_ref: KeyRef | None = None
    field_ref: FieldRef | None = None


class EnvVar(_Spec, frozen=True):
    """One environment variable."""

    name: str
    value: str | None = None
    value_from: ValueFrom | None = None


class SourceName(_Spec, frozen=True):
    """A whole ConfigMap or Secret by name."""

    name: str
    optional: bool = False


class EnvFrom(_Spec, frozen=True):
    """Every key of a ConfigMap or Secret as a variable."""

    prefix: str = ""
    config_map_ref: SourceName | None = None
    secret_ref: SourceName | None = None


class ContainerPort(_Spec, frozen=True):
    """A port that a container listens on."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"


class Container(_Spec, frozen=True):
    """One container of a pod. `image` is the name of a service of gitops.yaml."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    working_dir: str = ""
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    startup_probe: Probe | None = None


class PodSpec(_Spec, frozen=True):
    """The pod: its containers and how long they may take to end, in seconds."""

    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    termination_grace_period_seconds: int = 30


class Meta(_Spec, frozen=True):
    """Name, namespace, labels."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class PodMeta(_Spec, frozen=True):
    """Labels of the pods."""

    labels: dict[str, str] = {}


class PodTemplate(_Spec, frozen=True):
    """What each pod looks like."""

    metadata: PodMeta
    spec: PodSpec


class LabelSelector(_Spec, frozen=True):
    """Which pods belong."""

    match_labels: dict[str, str] = {}


class Strategy(_Spec, frozen=True):
    """How the new version takes over."""

    type: Literal["RollingUpdate", "Recreate"] = "RollingUpdate"


class DeploymentSpec(_Spec, frozen=True):
    """What a Deployment wants."""

    template: PodTemplate
    selector: LabelSelector
    replicas: int = 1
    strategy: Strategy = Strategy()
    progress_deadline_seconds: int = 600


class Deployment(_Spec, frozen=True):
    """apps/v1 Deployment."""

    metadata: Meta
    spec: DeploymentSpec
    file: str = ""
    line: int = 0


class ServicePort(_Spec, frozen=True):
    """One port of a Service."""

    port: int
    name: str = ""
    target_port: int | str = 0
    """0: the same number as `port`."""
    protocol: str = "TCP"


class ServiceObjectSpec(_Spec, frozen=True):
    """What a Service wants."""

    selector: dict[str, str] = {}
    ports: tuple[ServicePort, ...] = ()


class Service(_Spec, frozen=True):
    """v1 Service."""

    metadata: Meta
    spec: ServiceObjectSpec
    file: str = ""
    line: int = 0


class ConfigMap(_Spec, frozen=True):
    """v1 ConfigMap."""

    metadata: Meta
    data: dict[str, str] = {}
    file: str = ""
    line: int = 0


class Manifest(_Spec, frozen=True):
    """Any object as it was written, with its place."""

    api_version: str
    kind: str
    name: str
    raw: dict[str, Any]
    file: str
    line: int
    source: bytes = b""
    """The whole file, shared by its objects: lines are looked up for messages only."""
    index: int = 0
    """Which of the file's documents it is."""

    def line_of(self, path: Path) -> int:
        """Give the line of a value in it; of the deepest part that exists."""
        documents = _documents(self.source, self.file) if self.source else []
        return documents[self.index].line(path) if self.index < len(documents) else self.line


@lru_cache(maxsize=1)
def _documents(source: bytes, file: str) -> list[Document]:
    """Read a file again; it is kept, as one that is wrong is often wrong in many places."""
    from gitops_cli.config.yaml import load_all  # noqa: PLC0415 - types do not read files

    return load_all(source, file)


class Manifests(_Spec, frozen=True):
    """Everything under the manifests folder."""

    deployments: tuple[Deployment, ...] = ()
    services: tuple[Service, ...] = ()
    config_maps: tuple[ConfigMap, ...] = ()
    all: tuple[Manifest, ...] = ()
