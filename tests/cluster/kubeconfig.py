"""Kubeconfig files: written for each user of a test cluster, read where a test gets one from outside."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = "gitops-disposable"


def entry(server: str, authority: Path) -> dict[str, str]:
    """Say where a server is and whose certificate it shows; the authority is inside."""
    return {
        "server": server,
        "certificate-authority-data": base64.b64encode(authority.read_bytes()).decode(),
    }


def write(path: Path, cluster: dict[str, Any], token: str, namespace: str = "default") -> Path:
    """Write a file for the holder of a token."""
    context = {"cluster": "test", "user": "test", "namespace": namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": context}],
    }
    path.write_text(json.dumps(config, indent=2))
    path.chmod(0o600)
    return path


def current(path: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Read the current context's name, its cluster and its user."""
    config = yaml.safe_load(path.read_text())
    name = config["current-context"]
    context = _named(config["contexts"], name)["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    return name, cluster, _named(config["users"], context["user"])["user"]


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)
