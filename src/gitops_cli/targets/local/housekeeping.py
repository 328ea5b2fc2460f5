"""Removes what no release needs any more: views of this environment, dependencies of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.flock import Flock
from gitops_cli.errors import GitopsError
from gitops_cli.targets.local import inventory
from gitops_cli.targets.local.images import views
from gitops_cli.targets.local.install import MARK_SUFFIX

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.home import Home

KEEP = 5
"""How many folders that nobody runs from are kept, for a release that goes back."""


def tidy(home: Home, environment: str) -> None:
    """Remove old folders; called under the environment's lock, after a release. It is a cache."""
    try:
        used = _used(home)
    except GitopsError:  # an inventory that cannot be read may speak of anything
        return
    _remove(views(home, environment), used)
    cache = home.cache / "deps"
    marks = sorted(cache.glob(f"*{MARK_SUFFIX}"), key=_age, reverse=True)
    idle = [m for m in marks if str(cache / m.name.removesuffix(MARK_SUFFIX)) not in used]
    for mark in idle[KEEP:]:
        _forget(mark, cache / mark.name.removesuffix(MARK_SUFFIX))


def _used(home: Home) -> set[str]:
    """Name every folder that any environment of this remote runs from."""
    folders = (home.state / "local").glob("*/wanted.json")
    return {path for file in folders for spec in inventory.load(file.parent).sets for path in spec.views()}


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _remove(folder: Path, used: set[str]) -> None:
    found = [p for p in folder.iterdir() if str(p) not in used] if folder.is_dir() else []
    for path in sorted(found, key=_age, reverse=True)[KEEP:]:
        remove_tree(path)


def _forget(mark: Path, place: Path) -> None:
    """Remove one folder of dependencies unless somebody is just making it; the mark goes first."""
    lock = Flock(mark.with_suffix(".lock"))
    if lock.attempt():
        try:
            mark.unlink(missing_ok=True)
            remove_tree(place)
        finally:
            lock.leave()
