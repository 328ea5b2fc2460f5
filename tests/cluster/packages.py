"""The programs of the machine that a cluster needs beside our own, and Debian's names for them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

CONTROL_PLANE = {"openssl": "openssl", "setsid": "util-linux"}
NODE = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "docker-registry": "docker-registry",
    "busybox": "busybox-static",
}


def missing(wanted: dict[str, str]) -> list[str]:
    """Name the packages whose programs are not on this machine."""
    return [
        package
        for program, package in wanted.items()
        if not (Path(program).exists() or shutil.which(program))
    ]


def install() -> None:
    """Install what is missing, if this is root's and Debian's machine; else leave it to who needs it."""
    wanted = missing(CONTROL_PLANE | NODE)
    if not wanted or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], env=quiet, check=True)
    subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", *wanted], env=quiet, check=True)


def require(wanted: dict[str, str]) -> None:
    """Raise unless every program is there; say how to get them."""
    lacking = missing(wanted)
    if lacking:
        raise RuntimeError(
            f"the cluster needs: apt-get install -y --no-install-recommends {' '.join(lacking)}"
        )
