"""Temporary files of processes that have ended go; those of the living stay, and so does everything else."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters import leftovers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.row(60)
def test_only_what_the_dead_were_writing_is_swept(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    gone = [tmp_path / f".wanted.json.{dead.pid}.tmp", tmp_path / "local" / f".ports.json.{dead.pid}.tmp"]
    kept = [
        tmp_path / f".wanted.json.{os.getpid()}.tmp",
        tmp_path / "wanted.json",
        tmp_path / f"wanted.{dead.pid}.tmp",
        tmp_path / "cache" / f".a.{dead.pid}.tmp",
        tmp_path / "local" / "views" / f".b.{dead.pid}.tmp",
    ]
    for path in gone + kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    leftovers.sweep(tmp_path)
    assert [path for path in gone if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


def test_a_missing_folder_holds_none(tmp_path: Path) -> None:
    leftovers.sweep(tmp_path / "nothing")
