"""Names of objects, and what a list of their metadata tells."""

from __future__ import annotations

import msgspec


class Kind(msgspec.Struct, frozen=True, order=True):
    """A kind as the API server serves it."""

    group: str
    """Empty for the core group."""
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "") -> str:
        """Where its objects are on the server: the collection, or one object. Names are checked before."""
        top = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{top}{middle}/{self.plural}" + (f"/{name}" if name else "")


class Key(msgspec.Struct, frozen=True, order=True):
    """One object, whatever version it is read in."""

    group: str
    kind: str
    namespace: str
    """Empty for an object of the whole cluster."""
    name: str

    def title(self) -> str:
        """Name it for people: `Deployment web`."""
        return f"{self.kind} {self.name}"


class Managed(msgspec.Struct, frozen=True):
    """One entry of `metadata.managedFields`: who set which fields."""

    manager: str
    operation: str
    """`Apply` or `Update`."""
    time: str
    """RFC 3339, to the second; may be absent (then empty)."""
    fields: str
    """SHA-256 of the canonical JSON of fieldsV1."""
    subresource: str = ""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of one live object."""

    key: Key
    uid: str
    resource_version: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    managed: tuple[Managed, ...] = ()
    deleting: bool = False
    """It has a deletionTimestamp."""

    def ours(self, manager: str) -> Managed | None:
        """Give the entry of a field manager's server-side apply, if there is one."""
        return next((m for m in self.managed if m.manager == manager and m.operation == "Apply"), None)
