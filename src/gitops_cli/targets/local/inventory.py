"""What an environment should run, on disk, before anything is started: at most two sets.

A set is self-contained: the supervisor reads nothing else, so it can make it so again after a reboot.
Secrets stand in it as references only. The target writes the inventory under the environment's lock;
the supervisor only reads it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.files import private_dir, read_or_none, write_atomic
from gitops_cli.config.workloads import Probe
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
UNHEARD = "nobody listens on its PORT"
"""What a probe says of the commonest mistake: a server on a port of its own choice."""


class Variable(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One environment variable: a text (perhaps with `$(NAME)`), a secret's key, or a whole secret."""

    name: str
    """With `key` = `*`: the prefix of every name."""
    value: str = ""
    secret: str = ""
    key: str = ""
    optional: bool = False
    expand: bool = False
    """The text holds references as Kubernetes writes them; a Dockerfile's ENV does not."""
    pod_name: bool = False
    """The value is the name of the replica (`metadata.name`)."""


class Port(msgspec.Struct, frozen=True, omit_defaults=True):
    """A port that the manifest names; the process itself listens on another, but under `Recreate`."""

    number: int
    name: str = ""


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process of a replica."""

    name: str
    service: str
    argv: tuple[str, ...]
    view: str
    """The folder that holds the image's files under their paths in the container."""
    mounts: tuple[str, ...] = ()
    """The paths in the container that the view gives."""
    cwd: str = "/"
    env: tuple[Variable, ...] = ()
    ports: tuple[Port, ...] = ()
    fixed: bool = False
    """It listens on the manifest's own port."""
    dependencies: str = ""
    """The folder of the installed dependencies."""
    readiness: Probe | None = None
    liveness: Probe | None = None
    startup: Probe | None = None


class WorkloadSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Deployment. `grace` and `deadline` (until it must be ready) in seconds."""

    name: str
    replicas: int
    recreate: bool = False
    grace: int = 30
    deadline: int = 600
    init: tuple[ContainerSpec, ...] = ()
    containers: tuple[ContainerSpec, ...] = ()

    @property
    def fixed_ports(self) -> set[int]:
        """The ports of this machine that it listens on, whatever PORT says."""
        return {p.number for c in self.init + self.containers if c.fixed for p in c.ports}

    def excludes(self, old: WorkloadSpec) -> bool:
        """Say whether one of another set must have ended before this one starts, whatever it was called."""
        return (self.recreate and self.name == old.name) or bool(self.fixed_ports & old.fixed_ports)


class Backend(msgspec.Struct, frozen=True):
    """Which port of which container of a workload serves a route."""

    workload: str
    container: str
    number: int


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One port of a Service."""

    service: str
    port: int
    name: str = ""
    backends: tuple[Backend, ...] = ()

    @property
    def id(self) -> str:
        """Name it in the list of stable ports."""
        return f"{self.service}:{self.port}"


class SetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one release runs."""

    key: str
    """Unique for ever: a release that is tried again gets another."""
    release: int
    commit: str
    tree: str
    project: str = ""
    workloads: tuple[WorkloadSpec, ...] = ()
    routes: tuple[Route, ...] = ()

    def views(self) -> set[str]:
        """Every folder that the set runs from, views and dependencies."""
        found = {c.view for w in self.workloads for c in w.init + w.containers}
        return found | {
            c.dependencies for w in self.workloads for c in w.init + w.containers if c.dependencies
        }


class Inventory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What should run: the serving set, and one beside it that becomes ready, or that was replaced."""

    version: int = VERSION
    serving: SetSpec | None = None
    candidate: SetSpec | None = None
    parked: SetSpec | None = None

    @property
    def sets(self) -> tuple[SetSpec, ...]:
        """All that should run."""
        return tuple(s for s in (self.serving, self.candidate, self.parked) if s is not None)

    def find(self, key: str) -> SetSpec | None:
        """Give the set with this key."""
        return next((s for s in self.sets if s.key == key), None)


def load(folder: Path) -> Inventory:
    """Read the inventory; nothing wanted when there is none. Raises `Unavailable` when it cannot be read."""
    data = read_or_none(folder / "wanted.json")
    if data is None:
        return Inventory()
    try:
        found = msgspec.json.decode(data, type=Inventory)
    except msgspec.MsgspecError as error:
        raise Unavailable(
            f"the inventory {folder / 'wanted.json'} cannot be read ({error})",
            code="local.inventory",
            next_command="gitops recover",
        ) from None
    if found.version != VERSION:
        raise Unavailable(
            f"the inventory {folder / 'wanted.json'} was written by another version of gitops",
            code="local.inventory-version",
        )
    return found


def save(folder: Path, inventory: Inventory) -> None:
    """Write the inventory; it is on disk when this returns."""
    write_atomic(private_dir(folder) / "wanted.json", msgspec.json.encode(inventory))


def new_key(release: int) -> str:
    """Name a set, for ever its own."""
    return f"{release}-{secrets.token_hex(4)}"
