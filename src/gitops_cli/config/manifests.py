"""Kubernetes manifests, typed and checked as far as every target agrees; each error with file and line."""

from __future__ import annotations

import re

import msgspec

from gitops_cli.config.manifest_checks import LABEL, SUBDOMAIN, check_deployment, check_name, check_service
from gitops_cli.config.secrets import refuse_secrets
from gitops_cli.config.typed import bad, convert, likely, without_nulls
from gitops_cli.config.workloads import ConfigMap, Deployment, Manifest, Manifests, Service
from gitops_cli.config.yaml import Document, load_all
from gitops_cli.errors import LimitExceeded

MAX_FILES = 5_000
MAX_TOTAL = 16 << 20
MAX_OBJECTS = 10_000
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
        self._seen: dict[tuple[str, str, str], Manifest] = {}

    def take(self, data: bytes, file: str) -> None:
        """Read one file."""
        documents = load_all(data, file)
        for index, document in enumerate(documents):
            if document.value is not None:
                self._take(document, data, index)
        refuse_secrets(data, documents, file)

    def result(self) -> Manifests:
        """Give everything read."""
        return Manifests(
            deployments=tuple(found for found in self._typed if isinstance(found, Deployment)),
            services=tuple(found for found in self._typed if isinstance(found, Service)),
            config_maps=tuple(found for found in self._typed if isinstance(found, ConfigMap)),
            all=tuple(self._all),
        )

    def _take(self, document: Document, data: bytes, index: int) -> None:
        manifest = msgspec.structs.replace(_manifest(document), source=data, index=index)
        # one object whatever its version; the namespace is the environment's, written or not
        key = (manifest.api_version.rpartition("/")[0], manifest.kind, manifest.name)
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
            check_deployment(document, typed)
        elif isinstance(typed, Service):
            check_service(document, typed)
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
            written = "" if field in value else likely(field, value)
            hint = f"; you wrote `{written}`" if written else ""
            raise bad(
                document, f"`{field}` is missing or no text{hint}", written or field, code="manifest.shape"
            )
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
        check_name(document, name, SUBDOMAIN if kind == "ConfigMap" else LABEL, "metadata", "name")
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
