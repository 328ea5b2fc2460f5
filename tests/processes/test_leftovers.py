"""Temporary files of processes that have ended go; those of the living stay, and so does everything else."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters import leftovers
from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.home import Home

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.row(60)
def test_only_what_the_dead_were_writing_is_swept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    state, runtime = home.state, home.runtime()
    dead = subprocess.Popen(["true"])
    dead.wait()
    gone = [
        state / f".wanted.json.{dead.pid}.tmp",
        state / "local" / f".ports.json.{dead.pid}.tmp",
        state / "local" / "views" / f".web-1.tree.{dead.pid}.tmp" / "app.py",
        state / "exports" / f".production-1.{dead.pid}.tmp" / "app.py",
        runtime / f"relay-{dead.pid}-0a1b2c3d" / ".s.PGSQL.5432",
    ]
    kept = [
        state / f".wanted.json.{os.getpid()}.tmp",
        state / "wanted.json",
        state / f"wanted.{dead.pid}.tmp",
        state / "cache" / f".a.{dead.pid}.tmp",
        state / "local" / "views" / "web-1" / f".pushed.{dead.pid}.tmp",
        state / "exports" / "production-1" / f".pushed.{dead.pid}.tmp",
        runtime / f"relay-{os.getpid()}-0a1b2c3d" / ".s.PGSQL.5432",
    ]
    for path in gone + kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    leftovers.sweep(home)
    assert [
        path
        for path in gone
        if path.exists() or (path.parent.name.endswith(f"{dead.pid}.tmp") and path.parent.exists())
    ] == []
    assert [path for path in kept if not path.exists()] == []
    remove_tree(runtime)


def test_a_missing_folder_holds_none(tmp_path: Path) -> None:
    leftovers.sweep(Home(tmp_path / "nothing"))
