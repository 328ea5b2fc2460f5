"""One cluster for every worker of a run: the first that needs it starts it, the controller ends it.

A run that is killed takes its cluster along: the keeper reads a FIFO that only the controller holds open.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster import starter
from tests.cluster.build import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

PLACE = "GITOPS_TESTS_CLUSTERS"
"""The folder of this run's clusters; workers get it from the controller."""
_PREFIX = "gitops-clusters-"
_held: list[int] = []


def begin(config: pytest.Config) -> None:
    """On the controller: make the place, and hold its owner's FIFO open."""
    if hasattr(config, "workerinput"):
        return
    _sweep(Path(tempfile.gettempdir()))
    place = Path(tempfile.mkdtemp(prefix=_PREFIX))
    os.environ[PLACE] = str(place)
    os.mkfifo(place / "owner")
    _held.append(os.open(place / "owner", os.O_RDWR))


def _sweep(folder: Path) -> None:
    """Remove what runs that were killed have left: their FIFO has no reader, their keepers are gone."""
    for place in folder.glob(f"{_PREFIX}*"):
        try:
            os.close(os.open(place / "owner", os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno == errno.ENXIO:
                shutil.rmtree(place, ignore_errors=True)


def end(config: pytest.Config) -> None:
    """On the controller: end what was started and leave nothing behind."""
    if hasattr(config, "workerinput"):
        return
    place = Path(os.environ.pop(PLACE))
    for folder in place.glob("*/"):
        starter.down(folder)
    os.close(_held.pop())
    shutil.rmtree(place, ignore_errors=True)


def running(name: str, *, node: bool = False) -> Path:
    """Give the folder of this run's cluster of that name, started if it is not."""
    place = Path(os.environ[PLACE])
    folder = place / name
    with locked(place / f"{name}.lock"):
        if not starter.is_up(folder):
            starter.up(folder, owner=place / "owner", node=node)
    return folder


def once(name: str, make: Callable[[], str]) -> str:
    """Give what the first worker that asked has made."""
    path = Path(os.environ[PLACE]) / name
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            path.write_text(make())
        return path.read_text()


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Run beside other tests, or alone. Who waits to be alone holds the gate: nobody slips in before it."""
    place = Path(os.environ[PLACE])
    with (place / "turn").open("w") as file:
        with locked(place / "gate"):
            fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
