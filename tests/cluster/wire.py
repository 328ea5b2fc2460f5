"""Where a cluster with a node lives: namespaces of its own, and a wire between them and this machine.

A slot is a number that one cluster holds on this machine: addresses, names and cgroups follow from it, so that
several runs have a node at a time. It is free again when the keeper ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.parts import wait

SLOTS = 16
PRIVATE = ("/run", "/var/log", "/var/lib/kubelet", "/var/lib/cni")
"""Places that a node uses whatever it is told: kubelets beside each other remove each other's logs."""
_CLAIMS = Path("/run/gitops-tests")
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Slot:
    """Addresses of one cluster with a node."""

    number: int

    @property
    def host(self) -> str:
        """This machine, seen from pods."""
        return f"10.245.{self.number}.1"

    @property
    def node(self) -> str:
        """The node: API server, registry."""
        return f"10.245.{self.number}.2"

    @property
    def pods(self) -> str:
        return f"10.244.{self.number}.0/24"

    @property
    def services(self) -> str:
        return f"10.96.{self.number}.0/24"

    @property
    def dns(self) -> str:
        return f"10.96.{self.number}.10"

    @property
    def registry(self) -> str:
        """Where images are pushed to and pulled from, in plain HTTP."""
        return f"{self.node}:5000"

    @property
    def cgroup(self) -> str:
        return f"gitops-tests-{self.number}"


def claim() -> tuple[Slot, int]:
    """Take a free slot; it is held as long as the file descriptor is open, by whoever inherits it."""
    _CLAIMS.mkdir(exist_ok=True)
    for number in range(SLOTS):
        descriptor = os.open(_CLAIMS / f"slot-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Slot(number), descriptor
        os.close(descriptor)
    raise RuntimeError(f"all {SLOTS} slots for clusters with a node are taken on this machine")


def connect(slot: Slot, process: int) -> None:
    """From this machine: lay the wire into the namespaces of a process, and the routes to pods and Services."""
    name = f"gitops-test{slot.number}"
    _run(f"ip link add {name} type veth peer name wire netns {process}")
    _run(f"ip addr add {slot.host}/30 dev {name}")
    _run(f"ip link set {name} up")
    for network in (slot.pods, slot.services):
        _run(f"ip route replace {network} via {slot.node}")


def settle_in(slot: Slot) -> None:
    """As the first process of the namespaces: mount what must be private, wait for the wire, be a router."""
    _run("mount --make-rprivate /")
    _run("mount -t proc proc /proc")
    for place in PRIVATE:
        Path(place).mkdir(parents=True, exist_ok=True)
        _run(f"mount -t tmpfs tmpfs {place}")
    Path("/run/netns").mkdir()
    Path("/run/lock").mkdir()
    _run("ip link set lo up")
    wait("the wire", Path("/proc/sys/net/ipv4/conf/wire").exists)
    _run(f"ip addr add {slot.node}/30 dev wire")
    _run("ip link set wire up")
    _run(f"ip route add default via {slot.host}")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for root in _hierarchies():
        (root / slot.cgroup).mkdir(exist_ok=True)


def tidy(slot: Slot) -> None:
    """Remove the cgroups of a cluster that has ended."""
    for root in _hierarchies():
        for group in sorted((root / slot.cgroup).glob("**/"), key=lambda path: -len(path.parts)):
            with contextlib.suppress(OSError):
                group.rmdir()


def _hierarchies() -> list[Path]:
    """Give the root of each cgroup tree: one with version 2, one a controller with version 1."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [path for path in _CGROUPS.iterdir() if path.is_dir() and (path / "cgroup.procs").exists()]


def _run(line: str) -> None:
    subprocess.run(line.split(), check=True)
