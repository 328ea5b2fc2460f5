"""What a release that is over leaves in the caches, and what a killed one left there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitops_cli.adapters.flock import Flock
from gitops_cli.adapters.home import Home
from gitops_cli.targets.local.housekeeping import KEEP, tidy

if TYPE_CHECKING:
    from pathlib import Path


def test_old_and_unfinished_dependencies_go_and_those_being_made_stay(tmp_path: Path) -> None:
    home = Home(tmp_path)
    deps = home.cache / "deps"
    for number in range(KEEP + 2):
        (deps / f"old-{number}" / "lib").mkdir(parents=True)
        mark = deps / f"old-{number}.complete"
        mark.touch()
        os.utime(mark, (number, number))
    for name in ("dead", "dead.source", "made", "made.source"):
        (deps / name / "half").mkdir(parents=True)
    maker = Flock(deps / "made.lock")
    assert maker.attempt()
    tidy(home, "production")
    maker.leave()
    left = {path.name for path in deps.iterdir() if path.is_dir()}
    assert left == {"made", "made.source", *(f"old-{number}" for number in range(2, KEEP + 2))}
    tidy(home, "production")
    assert not (deps / "made").exists()
