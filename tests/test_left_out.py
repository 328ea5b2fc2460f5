"""A run that leaves tests to another session says in its last lines how many, and how to run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = "[pytest]\nmarkers =\n  cluster\n  crash\n"
TESTS = """\
import pytest

@pytest.mark.cluster
@pytest.mark.parametrize("number", range(3))
def test_cluster(number): pass

@pytest.mark.crash
@pytest.mark.cluster
def test_both(): pass

@pytest.mark.crash
def test_crash(): pass

def test_quick(): pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_left_out_is_said(tmp_path: Path, workers: str) -> None:
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (tmp_path / "test_marked.py").write_text(TESTS)
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.left_out", "-n", workers, "-m", "not crash and not cluster",
         tmp_path],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert told[-3:-1] == [
        "left out: 4 tests; run them with: nox -s cluster",
        "left out: 1 test; run them with: nox -s crash",
    ]
