"""The crash sweep of the shipped engine: after every schedule all is old or all is new."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.crash.counted import KEY
from tests.crash.shipped import load
from tests.crash.sweep import Sweep
from tests.crash.world import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.slow]

STORIES = ("nothing", *(step.name for step in STEPS))
WANTED = 70_000


@pytest.mark.row(60, 61, 65, 66, 79)
@pytest.mark.parametrize("failing", STORIES)
def test_every_crash_ends_old_or_new(
    failing: str, tmp_path_factory: pytest.TempPathFactory, record_property: Callable[[str, object], None]
) -> None:
    sweep = Sweep(load())
    fails = [fail for fail in sweep.fails() if (fail[0] if fail else "nothing") == failing]
    assert fails
    for fail in fails:
        sweep.all(fail)
    record_property(KEY, dict(sweep.counts))
    _add_up(tmp_path_factory.getbasetemp(), failing, sweep.counts)


def _add_up(base: Path, failing: str, counts: dict[str, int]) -> None:
    """Check the sum once every story is told, whichever worker told it."""
    shared = base.parent / "schedules" if base.name.startswith("popen-") else base / "schedules"
    shared.mkdir(exist_ok=True)
    (shared / f"{failing}.json").write_text(json.dumps(counts))
    if {path.stem for path in shared.glob("*.json")} >= set(STORIES):
        total = sum(sum(json.loads(path.read_text()).values()) for path in shared.glob("*.json"))
        assert total >= WANTED, f"only {total} schedules"
