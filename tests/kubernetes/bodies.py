"""Objects for tests, as rendering makes them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.adapters.kubernetes.client import Client
    from gitops_cli.adapters.kubernetes.objects import Kind

IMAGE = "registry.example.org/web@sha256:" + "0" * 64


def config_map(name: str, value: str = "1", **labels: str) -> dict[str, Any]:
    """A ConfigMap with our labels and a hash that follows its value."""
    metadata = {
        "name": name,
        "labels": {"app.kubernetes.io/managed-by": "gitops", "gitops-cli/app": "shop"} | labels,
        "annotations": {"gitops-cli/hash": f"{value:0>32}"},
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}


def deployment(name: str, app: str = "web", image: str = IMAGE) -> dict[str, Any]:
    """A Deployment of one container."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": app}},
            "template": {
                "metadata": {"labels": {"app": app}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


def service(name: str, port: int = 80) -> dict[str, Any]:
    """A Service that nothing stands behind."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": port}]},
    }


@contextlib.contextmanager
def widgets(client: Client) -> Iterator[Kind]:
    """A kind of our own, as long as it is needed."""
    group = f"g{uuid4().hex[:8]}.example.org"
    crds = client.kinds().find("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    assert crds
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": "Widget", "plural": "widgets"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }
    client.create(crds, "", body)
    try:
        found = client.kinds().soon(f"{group}/v1", "Widget", seconds=60)
        assert found
        yield found
    finally:
        client.delete(crds, "", f"widgets.{group}")
