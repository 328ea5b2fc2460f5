"""Which cluster the tests use: one of this run, or the disposable one that `GITOPS_TEST_KUBECONFIG` names.

Tests create and delete what they like, so a cluster from outside must say itself that it may be thrown away:
its namespace `default` has the label `gitops.test/disposable: "true"`. The one who may set that label
(`kubectl label namespace default gitops.test/disposable=true`) is the one who may say so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from tests.cluster import apps, shared, starter
from tests.cluster.api import Api
from tests.cluster.apps import Images
from tests.cluster.audit import Audit
from tests.cluster.build import programs
from tests.cluster.command import kubectl
from tests.cluster.control_plane import DISPOSABLE

GIVEN = "GITOPS_TEST_KUBECONFIG"
REGISTRY = "GITOPS_TEST_REGISTRY"


class Precious(RuntimeError):
    """The cluster from outside does not say that it is disposable."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that tests may do anything to, as its administrator."""

    kubeconfig: Path
    folder: Path | None
    """Where its logs are, if this machine runs it."""

    @cached_property
    def api(self) -> Api:
        return Api(self.kubeconfig)

    @property
    def audit(self) -> Audit:
        """Its audit log; only clusters that `tests/cluster` started have one."""
        if self.folder is None:
            raise LookupError("only a cluster of our own shows its audit log")
        return Audit(self.folder / "audit.log", self.api)

    @property
    def programs(self) -> Path:
        """The folder with a kubectl (with kustomize), for a PATH; of the server's version if it is ours."""
        return programs()

    @cached_property
    def images(self) -> Images:
        """What its pods can run, pushed into its registry once a run."""
        return msgspec.json.decode(shared.once("images", self._publish), type=Images)

    def _publish(self) -> str:
        slot = None if self.folder is None else starter.slot_of(self.folder)
        registry = os.environ.get(REGISTRY) if slot is None else slot.registry
        if registry is None:
            raise LookupError(
                f"{REGISTRY} must name a registry (plain HTTP) that this machine and the nodes reach"
            )
        return msgspec.json.encode(apps.publish(registry)).decode()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator; give what it prints. Raises when it fails."""
        return kubectl(self.kubeconfig, *arguments, stdin=stdin)


def cluster(name: str, *, node: bool = False) -> Cluster:
    """Give the cluster from outside, or this run's own of that name."""
    outside = os.environ.get(GIVEN)
    if not outside:
        folder = shared.running(name, node=node)
        return Cluster(folder / "kubeconfig", folder)
    path = Path(outside).absolute()
    ours = path.with_name("audit.log").is_file()
    found = Cluster(path, path.parent if ours else None)
    guard(found)
    if node and not found.api.get("/api/v1/nodes")["items"]:
        raise LookupError(f"{GIVEN}: {found.api.server} has no node; these tests run pods")
    return found


def guard(cluster: Cluster) -> None:
    """Raise `Precious` unless the cluster says that it may be thrown away."""
    labels = cluster.api.get("/api/v1/namespaces/default")["metadata"].get("labels", {})
    if labels.get(DISPOSABLE) != "true":
        raise Precious(
            f"{GIVEN}: {cluster.api.server} does not say that it may be thrown away, and tests would delete what is in it;"
            f" if it may: kubectl --kubeconfig {cluster.kubeconfig} label namespace default {DISPOSABLE}=true"
        )
