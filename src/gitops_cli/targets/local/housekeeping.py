"""Removes what no release needs any more: views of this environment, dependencies of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.flock import Flock
from gitops_cli.errors import GitopsError
from gitops_cli.targets.local import inventory
from gitops_cli.targets.local.images import views
from gitops_cli.targets.local.install import MARK_SUFFIX, SOURCE_SUFFIX

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
        _forget(mark, finished=True)
    for mark in _unfinished(cache):
        _forget(mark, finished=False)


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


def _unfinished(cache: Path) -> set[Path]:
    """Name the marks that folders of dependencies lack: who made them was killed, or is just making them."""
    names = [path.name for path in cache.iterdir() if path.is_dir()] if cache.is_dir() else []
    marks = {cache / f"{name.removesuffix(SOURCE_SUFFIX)}{MARK_SUFFIX}" for name in names}
    return {mark for mark in marks if not mark.exists()}


def _forget(mark: Path, *, finished: bool) -> None:
    """Remove one folder of dependencies unless somebody is just making it; the mark goes first."""
    lock = Flock(mark.with_suffix(".lock"))
    if lock.attempt():
        try:
            if mark.exists() is finished:  # else somebody has just made it
                mark.unlink(missing_ok=True)
                for name in (mark.stem, f"{mark.stem}{SOURCE_SUFFIX}"):
                    remove_tree(mark.with_name(name))
        finally:
            lock.leave()
