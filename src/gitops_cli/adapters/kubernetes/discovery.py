"""Which kinds the API server has: two requests (`/api`, `/apis`), kept in `discovery.json`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.clock import monotonic, pause
from gitops_cli.adapters.files import private_dir, read_or_none, write_atomic
from gitops_cli.adapters.kubernetes.objects import Kind
from gitops_cli.adapters.kubernetes.problems import decoded
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitops_cli.adapters.kubernetes.wire import Wire

_FORM = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
ACCEPT = ",".join((_FORM.format("v2"), _FORM.format("v2beta1")))  # v2beta1: Kubernetes 1.27 to 1.29

_PAUSE = 0.1


class Kinds:
    """The kinds of a server. A kind that is missing is asked for once more."""

    def __init__(self, wire: Wire, path: Path) -> None:
        """`path` is where the answer is kept. Asks nothing yet."""
        self._wire = wire
        self._path = path
        self._lock = threading.Lock()
        self._asked = False
        self._known = _Known(())

    def find(self, api_version: str, kind: str) -> Kind | None:
        """Give a kind as a manifest names it: `apps/v1`, `Deployment`; None when the server has none."""
        return self._have().exact.get((api_version, kind)) or self._asking().exact.get((api_version, kind))

    def preferred(self, group: str, kind: str) -> Kind | None:
        """Give a kind in the version that the server prefers: for a `Key`, which names no version."""
        return self._have().first.get((group, kind)) or self._asking().first.get((group, kind))

    def refresh(self) -> None:
        """Ask the server, whatever is known."""
        with self._lock:
            self._ask()

    def soon(self, api_version: str, kind: str, *, seconds: float = 30.0) -> Kind | None:
        """Give a kind whose CustomResourceDefinition is new: discovery follows it within a second or so."""
        until = monotonic() + seconds
        while (found := self.find(api_version, kind)) is None and monotonic() < until:
            pause(_PAUSE)
            self.refresh()
        return found

    def _have(self) -> _Known:
        with self._lock:
            if not self._known.exact:
                self._known = _Known(_kept(self._path, self._wire.access.server))
            return self._known

    def _asking(self) -> _Known:
        with self._lock:
            if not self._asked:
                self._ask()
            return self._known

    def _ask(self) -> None:
        kinds = discover(self._wire)
        self._asked, self._known = True, _Known(kinds)
        private_dir(self._path.parent)
        write_atomic(self._path, msgspec.json.encode(_File(self._wire.access.server, kinds)))


class _Known:
    """Kinds by name and version, and by name in the preferred version."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.exact: dict[tuple[str, str], Kind] = {}
        self.first: dict[tuple[str, str], Kind] = {}
        for kind in kinds:
            self.exact.setdefault((kind.api_version, kind.kind), kind)
            self.first.setdefault((kind.group, kind.kind), kind)


class _File(msgspec.Struct):
    server: str
    kinds: list[Kind]


def _kept(path: Path, server: str) -> list[Kind]:
    try:
        found = msgspec.json.decode(read_or_none(path) or b"", type=_File)
    except msgspec.MsgspecError:
        return []
    return found.kinds if found.server == server else []


class _ResponseKind(msgspec.Struct):
    kind: str = ""


class _Resource(msgspec.Struct, rename="camel"):
    resource: str
    response_kind: _ResponseKind | None = None
    scope: str = "Namespaced"


class _Version(msgspec.Struct):
    version: str
    resources: list[_Resource] | None = None


class _Name(msgspec.Struct):
    name: str = ""


class _Group(msgspec.Struct):
    metadata: _Name
    versions: list[_Version]


class _Answer(msgspec.Struct):
    kind: str
    items: list[_Group] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def discover(wire: Wire) -> list[Kind]:
    """Ask the server for all its kinds, preferred versions first. Raises `Unavailable` for a very old one."""
    return [kind for path in ("/api", "/apis") for kind in _kinds(wire.send("GET", path, accept=ACCEPT))]


def _kinds(body: bytes) -> list[Kind]:
    answer = decoded(body, _ANSWER)
    if answer.kind != "APIGroupDiscoveryList":
        raise Unavailable("the API server is older than Kubernetes 1.27", code="kubernetes.old")
    return [
        Kind(
            group.metadata.name,
            version.version,
            resource.response_kind.kind,
            resource.resource,
            resource.scope == "Namespaced",
        )
        for group in answer.items or ()
        for version in group.versions
        for resource in version.resources or ()
        if resource.response_kind and resource.response_kind.kind
    ]
