"""The manifests of an environment whose overlay kustomize builds; each build is kept: a tree never changes.

One build at a time. Killed while building: the next build removes the exported folder. Killed before the
result is written: it is built again.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import clock, kustomize
from gitops_cli.adapters.files import private_dir, read_or_none, remove_tree, write_atomic
from gitops_cli.adapters.flock import Flock
from gitops_cli.adapters.sandbox import uid_for
from gitops_cli.config.kustomization import overlay_folders
from gitops_cli.config.manifests import Reader
from gitops_cli.errors import BadInput, StepTimeout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitops_cli.adapters.git.tree import GitTree
    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.sandbox import Level
    from gitops_cli.config.tree import Entry
    from gitops_cli.config.workloads import Manifests

KEEP = 50
"""Results that are kept, of all environments together."""
_PATIENCE = 120.0
"""Seconds to wait for others who build."""


def built_manifests(home: Home, tree: GitTree, overlay: str, level: Callable[[], Level]) -> Manifests:
    """Build an overlay, or take the result that is there, and read it. Raises `BadInput`, `Unavailable`."""
    folders = overlay_folders(tree, overlay)
    entries = {
        path: entry
        for path, entry in tree.entries.items()
        if any(folder == "." or path.startswith(f"{folder}/") for folder in folders)
    }
    place = private_dir(home.cache / "kustomize")
    result = place / f"{_key(overlay, entries)}.yaml"
    data = read_or_none(result)
    if data is None:
        lock = _turn(place / "lock")
        folder = place / "tree"
        try:
            remove_tree(folder)
            tree.export(entries, folder)
            found = level()
            uid = uid_for(home.digest, "kustomize") if found.value == "uid" else None
            data = kustomize.build(folder, overlay, level=found, uid=uid)
            write_atomic(result, data)
            _tidy(place)
        finally:
            remove_tree(folder)
            lock.leave()
    else:
        with suppress(FileNotFoundError):  # somebody else has just removed it as an old one
            os.utime(result)
    return _read(data, overlay)


def _turn(path: Path) -> Flock:
    """Wait for those who build. Raises `StepTimeout`."""
    lock = Flock(path)
    deadline = clock.monotonic() + _PATIENCE
    while not lock.attempt():
        if clock.monotonic() > deadline:
            raise StepTimeout("other pushes have built overlays for too long", code="kustomize.wait")
        clock.pause(0.05)
    return lock


def _key(overlay: str, entries: dict[str, Entry]) -> str:
    lines = [f"{entry.oid} {entry.mode:o} {path}" for path, entry in sorted(entries.items())]
    return hashlib.sha256("\0".join([overlay, *lines]).encode("utf-8", "surrogateescape")).hexdigest()[:40]


def _read(data: bytes, overlay: str) -> Manifests:
    """Read each document alone: a whole build may be larger than one file. Lines of it would help nobody."""
    reader = Reader()
    for document in data.split(b"\n---\n"):
        try:
            reader.take(document, overlay)
        except BadInput as error:
            error.line = 0
            raise
    found = reader.result()
    return msgspec.structs.replace(
        found,
        deployments=tuple(msgspec.structs.replace(each, line=0) for each in found.deployments),
        services=tuple(msgspec.structs.replace(each, line=0) for each in found.services),
        config_maps=tuple(msgspec.structs.replace(each, line=0) for each in found.config_maps),
        all=tuple(msgspec.structs.replace(each, line=0, source=b"") for each in found.all),
    )


def _tidy(folder: Path) -> None:
    """Remove the results that nobody has asked for the longest time."""
    results = sorted(folder.glob("*.yaml"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in results[KEEP:]:
        path.unlink(missing_ok=True)
