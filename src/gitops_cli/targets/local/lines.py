"""Where in a manifest it stands that a container is refused: the line of the part, not of its Deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitops_cli.config.workloads import Deployment, Manifests

_POD = ("spec", "template", "spec")


def line_of(
    manifests: Manifests, deployment: Deployment, container: str, field: str = "", name: str = ""
) -> int:
    """Give the line of a container's field, or of one entry of its `env` or `envFrom`; else its own.

    `name`: of the variable, or of the Secret or ConfigMap that `envFrom` takes whole.
    """
    found = [m for m in manifests.all if m.kind == "Deployment" and m.name == deployment.metadata.name]
    for manifest in found:
        pod: dict[str, Any] = manifest.raw["spec"]["template"]["spec"]
        for group in ("initContainers", "containers"):
            for index, written in enumerate(pod.get(group) or ()):
                if written["name"] == container:
                    entry = _entry(written.get(field) or (), name) if name else ()
                    return manifest.line_of((*_POD, group, index, *((field,) if field else ()), *entry))
    return deployment.line


def _entry(written: Any, name: str) -> tuple[int, ...]:
    return next(((index,) for index, each in enumerate(written) if name in _names(each)), ())


def _names(entry: Mapping[str, Any]) -> set[str]:
    sources = [entry.get(kind) or {} for kind in ("secretRef", "configMapRef")]
    return {str(each.get("name")) for each in (entry, *sources)}
