"""From the manifests of a commit to the objects of a namespace: the same commit, the same bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters.kubernetes.objects import Key
from gitops_cli.config import confinement
from gitops_cli.config.images import Images
from gitops_cli.config.pods import pods
from gitops_cli.config.typed import without_nulls
from gitops_cli.targets.kubernetes import unprobed

if TYPE_CHECKING:
    from gitops_cli.config.remote import KubernetesAt, Policy
    from gitops_cli.config.workloads import Manifest
    from gitops_cli.targets.protocol import AppSet

HASH = "gitops-cli/hash"
"""The annotation with the hash of everything else in the object."""
APP = "gitops-cli/app"
ENVIRONMENT = "gitops-cli/environment"
MANAGED_BY = "app.kubernetes.io/managed-by"


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """One object as it is applied."""

    key: Key
    api_version: str
    body: dict[str, Any]
    hash: str
    file: str
    line: int


def labels(app: str, environment: str) -> dict[str, str]:
    """Give the labels that every object of an environment carries; a slash is no character of a label."""
    return {MANAGED_BY: "gitops", APP: app, ENVIRONMENT: environment.replace("/", ".")}


def selector(app: str, environment: str) -> str:
    """Give the label selector that finds them."""
    told = labels(app, environment)
    return f"{APP}={told[APP]},{ENVIRONMENT}={told[ENVIRONMENT]}"


def render(wanted: AppSet, at: KubernetesAt, policy: Policy) -> tuple[Rendered, ...]:
    """Give every object in the order of the files, whole and checked. Raises `BadInput`, `PolicyRefused`."""
    confinement.check(wanted.manifests, wanted.project, policy, at.namespace)
    images = Images(wanted.project.services, at.images, policy.registries)
    return tuple(_rendered(manifest, wanted, at, policy, images) for manifest in wanted.manifests.all)


def _rendered(
    manifest: Manifest, wanted: AppSet, at: KubernetesAt, policy: Policy, images: Images
) -> Rendered:
    body: dict[str, Any] = without_nulls(manifest.raw)  # a new one, all the way down
    body.pop("status", None)  # the server's
    group = manifest.api_version.rpartition("/")[0]
    namespace = "" if confinement.CLUSTER_SCOPED.get(manifest.kind) == group else at.namespace
    metadata = body["metadata"]
    metadata.pop("namespace", None)
    if namespace:
        metadata["namespace"] = namespace
    told = labels(wanted.project.name, wanted.environment)
    metadata["labels"] = {**(metadata.get("labels") or {}), **told}
    for pod in pods(body):
        for path, holder, key in pod.images():
            holder[key] = images.pinned(str(holder.get(key) or ""), manifest, path)
        if pod.spec.get("serviceAccountName") not in policy.service_accounts:
            pod.spec["automountServiceAccountToken"] = False
    unprobed.hold(body)
    return sealed(Key(group, manifest.kind, namespace, manifest.name), body, manifest.file, manifest.line)


def sealed(key: Key, body: dict[str, Any], file: str = "", line: int = 0) -> Rendered:
    """Write the hash of an object into it."""
    canonical = msgspec.json.encode(body, order="deterministic")
    digest = hashlib.sha256(canonical).hexdigest()[:32]
    metadata = body["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), HASH: digest}
    return Rendered(
        key=key, api_version=str(body["apiVersion"]), body=body, hash=digest, file=file, line=line
    )
