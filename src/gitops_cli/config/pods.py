"""Where the pods are in an object, whatever kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.config.yaml import Path

_TEMPLATE: Path = ("spec", "template", "spec")
_CARRIERS: dict[tuple[str, str], Path] = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", *_TEMPLATE),
    ("batch", "Job"): _TEMPLATE,
}
GROUPS = ("containers", "initContainers", "ephemeralContainers")


class Pod(NamedTuple):
    """The spec of a pod, or of a template of one."""

    path: Path
    """Where the spec stands."""
    spec: dict[str, Any]
    annotations: dict[str, Any]
    """Those of the pod, which stand beside its spec: `(*path[:-1], "metadata", "annotations")`."""

    def containers(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Give every container of every group, and where it stands."""
        for group in GROUPS:
            for index, container in enumerate(listed(self.spec.get(group))):
                yield (*self.path, group, index), mapping(container)

    def images(self) -> Iterator[tuple[Path, dict[str, Any], str]]:
        """Give each image, a container's or a volume's: where it stands, what holds it, under which key."""
        for path, container in self.containers():
            yield (*path, "image"), container, "image"
        for index, volume in enumerate(listed(self.spec.get("volumes"))):
            if isinstance(source := mapping(volume).get("image"), dict):
                yield (*self.path, "volumes", index, "image", "reference"), source, "reference"


def pods(raw: dict[str, Any]) -> Iterator[Pod]:
    """Give the pods of an object. In a kind of somebody else's: every mapping with a list of containers."""
    group = str(raw.get("apiVersion")).rpartition("/")[0]
    path = _CARRIERS.get((group, str(raw.get("kind"))))
    if path is None:
        yield from _search(raw, (), {})
        return
    above: dict[str, Any] = {}
    found = raw
    for part in path:
        above, found = found, mapping(found.get(str(part)))
    yield Pod(path, found, _annotations(above))


def _annotations(above: dict[str, Any]) -> dict[str, Any]:
    return mapping(mapping(above.get("metadata")).get("annotations"))


def _search(value: Any, path: Path, above: dict[str, Any]) -> Iterator[Pod]:
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from _search(child, (*path, index), {})
    elif isinstance(value, dict):
        if any(isinstance(value.get(group), list) for group in GROUPS):
            yield Pod(path, value, _annotations(above))
        for key, child in value.items():
            yield from _search(child, (*path, key), value)


def mapping(value: Any) -> dict[str, Any]:
    """Give a mapping, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """Give a list, an empty one for anything else."""
    return value if isinstance(value, list) else []
