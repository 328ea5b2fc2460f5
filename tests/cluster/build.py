"""Kubernetes, built once from Go modules into one binary; kept outside of the checkout, which CI makes anew.

Eight minutes on two cores when nothing is there, a minute with Go's own cache, nothing afterwards.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
RECIPE = ("go.mod", "go.sum", "main.go", "pause/main.go")
PARTS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
    "kubelet", "kube-proxy", "kubectl", "coredns",
)  # fmt: skip
CACHE = "GITOPS_TESTS_CACHE"


def kept_places() -> dict[str, str]:
    """Name where Go and this build keep things, for a caller that is about to change its home."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = {
        CACHE: caches / "gitops-tests",
        "GOPATH": Path.home() / "go",
        "GOCACHE": caches / "go-build",
        "GOENV": settings / "go" / "env",
    }
    return {name: os.environ.get(name) or str(place) for name, place in places.items()}


def version() -> str:
    """Give the version of Kubernetes that `go.mod` names, as `1.35.4`."""
    found = re.search(r"^\s+k8s\.io/kubernetes v(\S+)$", (HERE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise LookupError("go.mod names no k8s.io/kubernetes")
    return found[1]


def folder() -> Path:
    """Give the folder of the parts that this recipe makes, built or not."""
    recipe = b"".join((HERE / name).read_bytes() for name in RECIPE)
    digest = hashlib.sha256(recipe).hexdigest()[:12]
    return Path(kept_places()[CACHE]) / "cluster" / f"{version()}-{digest}"


def build() -> Path:
    """Build what is not there yet; give the folder with a program for each part (a KUBEBUILDER_ASSETS)."""
    assets = folder()
    if assets.is_dir():
        return assets
    if not shutil.which("go"):
        raise SystemExit(
            "building Kubernetes needs Go 1.25 or later; or name a disposable cluster's file in GITOPS_TEST_KUBECONFIG"
        )
    assets.parent.mkdir(parents=True, exist_ok=True)
    with locked(assets.with_suffix(".lock")):
        if not assets.is_dir():
            _make(assets)
    return assets


def programs() -> Path:
    """Give the folder of a kubectl: ours if it can be had, else the machine's."""
    found = shutil.which("kubectl")
    if found and not folder().is_dir() and not shutil.which("go"):
        return Path(found).parent
    return build()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only process that holds this file."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(assets: Path) -> None:
    print("building Kubernetes from Go modules, once: minutes", file=sys.stderr, flush=True)  # noqa: T201
    work = assets.with_suffix(".building")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    major, minor, _ = version().split(".")
    stamp = "k8s.io/component-base/version"
    flags = (
        f"-s -w -X {stamp}.gitVersion=v{version()} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    )
    environment = os.environ | kept_places() | {"CGO_ENABLED": "0"}
    for output, package in (("parts", "."), ("pause", "./pause")):
        command = ["go", "build", "-trimpath", f"-ldflags={flags}", "-o", str(work / output), package]
        subprocess.run(command, cwd=HERE, env=environment, check=True)
    for part in PARTS:
        (work / part).symlink_to("parts")
    work.rename(assets)
