"""JSON Schemas of the two files that people write, made from the types that read them."""

from __future__ import annotations

from typing import Any

import msgspec

from gitops_cli.config.project import Project
from gitops_cli.config.remote import RemoteFile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def project_schema() -> dict[str, Any]:
    """Give the schema of gitops.yaml. The same every time."""
    return {"$schema": _DIALECT, "title": "gitops.yaml", **msgspec.json.schema(Project)}


def remote_schema() -> dict[str, Any]:
    """Give the schema of remote.yaml. The same every time."""
    return {"$schema": _DIALECT, "title": "remote.yaml", **msgspec.json.schema(RemoteFile)}


def text(schema: dict[str, Any]) -> str:
    """Spell a schema as a file: indented, in the order of the fields, with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
