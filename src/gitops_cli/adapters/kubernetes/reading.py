"""Lists: metadata only, or whole objects; in chunks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters.kubernetes.objects import Key, Managed, Seen
from gitops_cli.adapters.kubernetes.problems import OBJECT, decoded

if TYPE_CHECKING:
    from gitops_cli.adapters.kubernetes.objects import Kind
    from gitops_cli.adapters.kubernetes.wire import Wire

CHUNK = 5000
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class _Entry(msgspec.Struct, rename="camel"):
    manager: str = ""
    operation: str = ""
    time: str = ""
    subresource: str = ""
    fields_v1: Any = msgspec.field(default=None, name="fieldsV1")


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    managed_fields: list[_Entry] | None = None
    deletion_timestamp: str | None = None


class _Object(msgspec.Struct):
    metadata: _Metadata


class _ListMetadata(msgspec.Struct):
    continue_: str = msgspec.field(default="", name="continue")


class _MetadataList(msgspec.Struct):
    items: list[_Object] | None = None
    metadata: _ListMetadata = msgspec.field(default_factory=_ListMetadata)


_LIST = msgspec.json.Decoder(_MetadataList)


def list_seen(wire: Wire, kind: Kind, namespace: str, *, selector: str = "") -> list[Seen]:
    """Give the metadata of all objects of a kind that carry the labels."""
    found: list[Seen] = []
    token = ""
    while True:
        query = parameters(limit=str(CHUNK), labelSelector=selector, **{"continue": token})
        answer = wire.send("GET", kind.path(namespace), query=query, accept=_METADATA)
        page = decoded(answer, _LIST)
        found += [_seen(kind.group, kind.kind, item.metadata) for item in page.items or ()]
        token = page.metadata.continue_
        if not token:
            return found


def list_full(  # noqa: PLR0913 - what the API offers, by name
    wire: Wire,
    kind: Kind,
    namespace: str,
    *,
    selector: str = "",
    fields: str = "",
    metadata_only: bool = False,
) -> tuple[list[dict[str, Any]], str]:
    """Give whole objects, and the resourceVersion to watch from."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        query = parameters(
            limit=str(CHUNK), labelSelector=selector, fieldSelector=fields, **{"continue": token}
        )
        accept = _METADATA if metadata_only else "application/json"
        page = decoded(wire.send("GET", kind.path(namespace), query=query, accept=accept), OBJECT)
        names = {"apiVersion": kind.api_version, "kind": kind.kind}  # a list leaves them out of its items
        found += [item | names for item in page.get("items") or ()]
        token = page["metadata"].get("continue", "")
        if not token:
            return found, page["metadata"]["resourceVersion"]


def seen_of(body: dict[str, Any]) -> Seen:
    """Give the metadata of an object that was read or answered whole."""
    group = body["apiVersion"].rpartition("/")[0]
    return _seen(group, body["kind"], msgspec.convert(body["metadata"], _Metadata))


def _seen(group: str, kind: str, metadata: _Metadata) -> Seen:
    return Seen(
        key=Key(group, kind, metadata.namespace, metadata.name),
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        labels=metadata.labels or {},
        annotations=metadata.annotations or {},
        managed=tuple(
            Managed(entry.manager, entry.operation, entry.time, _digest(entry.fields_v1), entry.subresource)
            for entry in metadata.managed_fields or ()
        ),
        deleting=metadata.deletion_timestamp is not None,
    )


def _digest(fields: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(fields, order="deterministic")).hexdigest()


def parameters(**wanted: str) -> tuple[tuple[str, str], ...]:
    """Give query parameters, without the empty ones."""
    return tuple((name, value) for name, value in wanted.items() if value)
