"""Volumes of the cluster's node, for claims: folders of this machine that outlive a pod."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.cluster.api import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.given import Cluster


@contextlib.contextmanager
def volumes(cluster: Cluster) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Give a maker of volumes, which gives for each the spec of a claim that gets this one."""
    made: list[str] = []

    def make(size: str) -> dict[str, Any]:
        if cluster.folder is None:
            raise LookupError("volumes are made on a cluster of our own")
        name = f"v-{uuid4().hex[:10]}"
        folder = cluster.folder / "volumes" / name
        folder.mkdir(parents=True)
        folder.chmod(0o777)  # an ordinary user's pod writes there
        shared = {"storageClassName": name, "accessModes": ["ReadWriteOnce"]}
        spec = {"capacity": {"storage": size}, "hostPath": {"path": str(folder), "type": "Directory"}}
        cluster.api.post("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": shared | spec})
        made.append(name)
        return shared | {"resources": {"requests": {"storage": size}}}

    try:
        yield make
    finally:
        for name in made:
            with contextlib.suppress(Answer):
                cluster.api.delete(f"/api/v1/persistentvolumes/{name}")
