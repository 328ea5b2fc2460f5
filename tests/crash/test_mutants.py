"""The sweep has teeth: every patch that breaks the shipped engine is caught."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crash.mutants import MUTANTS, Mutant
from tests.crash.shipped import patched
from tests.crash.sweep import Broken, Sweep

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_engine_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    engine = patched(tmp_path, f"mutant_{mutant.name}", file=mutant.file, old=mutant.old, new=mutant.new)
    with pytest.raises(Broken) as caught:
        Sweep(engine).reduced()
    assert "schedule" in str(caught.value)


def test_a_copy_without_a_fault_passes(tmp_path: Path) -> None:
    copy = patched(tmp_path, "mutant_without_a_fault", file="engine.py", old='"""Runs one', new='"""runs one')
    sweep = Sweep(copy)
    for fail in sweep.fails()[::3]:
        sweep.crash(fail, every=False)
        sweep.stuck(fail)
        sweep.disk_fails(fail)
    assert sweep.counts.total() > 5_000


def test_a_patch_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="holds 0 times"):
        patched(tmp_path, "mutant_of_nothing", file="engine.py", old="no such line", new="")
