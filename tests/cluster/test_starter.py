"""A cluster starts, says what is wrong with it, ends with who wanted it, and is only used if it may be."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster import build, given, packages, shared, starter, wire
from tests.cluster.control_plane import DISPOSABLE
from tests.cluster.given import GIVEN, Cluster, Precious
from tests.cluster.parts import wait

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that nobody else uses."""
    folder = tmp_path_factory.mktemp("own") / "cluster"
    yield Cluster(starter.up(folder), folder)
    starter.down(folder)
    assert processes_of(folder) == []


def commands() -> Iterator[tuple[int, bytes]]:
    """Give every process's command line; one may end while we look."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield int(process.name), (process / "cmdline").read_bytes()


def processes_of(folder: Path) -> list[str]:
    """Name the processes whose command lines name the folder."""
    return [words.decode().split("\0")[0] for _, words in commands() if os.fsencode(folder) in words]


def test_a_cluster_that_says_nothing_is_not_touched(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GIVEN, str(own.kubeconfig))
    own.kubectl("label", "namespace", "default", f"{DISPOSABLE}-")
    with pytest.raises(Precious, match=f"label namespace default {DISPOSABLE}=true"):
        given.cluster("control-plane")
    own.kubectl("label", "namespace", "default", f"{DISPOSABLE}=yes")
    with pytest.raises(Precious):
        given.cluster("control-plane")
    own.kubectl("label", "--overwrite", "namespace", "default", f"{DISPOSABLE}=true")
    assert given.cluster("control-plane") == own


def test_a_cluster_without_a_node_runs_no_pods(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GIVEN, str(own.kubeconfig))
    with pytest.raises(LookupError, match="has no node"):
        given.cluster("node", node=True)


def test_a_part_that_ends_is_named_and_ends_the_rest(own: Cluster) -> None:
    assert own.folder is not None
    folder = own.folder
    program = os.fsencode(build.folder() / "kube-scheduler")
    scheduler = next(
        pid for pid, words in commands() if words.startswith(program) and os.fsencode(folder) in words
    )
    os.kill(scheduler, signal.SIGKILL)
    wait("the end", lambda: not starter.is_up(folder) and processes_of(folder) == [])
    assert (folder / "state").read_text() == "kube-scheduler ended; see kube-scheduler.log"


def test_a_cluster_ends_with_its_owner(tmp_path: Path) -> None:
    folder, fifo = tmp_path / "cluster", tmp_path / "owner"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    try:
        starter.up(folder, owner=fifo)
        assert starter.is_up(folder)
    finally:
        os.close(holder)
    wait("the end", lambda: processes_of(folder) == [])


def test_a_cluster_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cache" / "cluster" / build.folder().name
    broken.mkdir(parents=True)
    for part in build.PARTS:
        (broken / part).symlink_to("/bin/false")
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    with pytest.raises(starter.NotStarted, match="ended while it was awaited"):
        starter.up(tmp_path / "cluster")
    assert processes_of(tmp_path / "cluster") == []


def test_a_missing_package_is_named() -> None:
    with pytest.raises(RuntimeError, match=r"--no-install-recommends some-package$"):
        packages.require({"sh": "dash", "no-such-program": "some-package"})


def test_slots_are_taken_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wire, "_CLAIMS", tmp_path)
    monkeypatch.setattr(wire, "SLOTS", 2)
    (first, held), (second, other) = wire.claim(), wire.claim()
    assert (first.host, second.host) == ("10.245.0.1", "10.245.1.1")
    with pytest.raises(RuntimeError, match="all 2 slots"):
        wire.claim()
    os.close(held)
    again, third = wire.claim()
    assert again == first
    os.close(other)
    os.close(third)


def test_what_a_killed_run_has_left_is_swept(tmp_path: Path) -> None:
    places = [tmp_path / f"gitops-clusters-{name}" for name in ("killed", "running")]
    for place in places:
        place.mkdir()
        os.mkfifo(place / "owner")
    holder = os.open(places[1] / "owner", os.O_RDWR)
    try:
        shared._sweep(tmp_path)
    finally:
        os.close(holder)
    assert [place.exists() for place in places] == [False, True]


def test_who_wants_to_be_alone_is_not_overtaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shared.PLACE, str(tmp_path))
    order: list[str] = []

    def run(name: str, *, alone: bool) -> None:
        with shared.turn(alone=alone):
            order.append(name)

    with shared.turn(alone=False), shared.turn(alone=False):  # others run beside each other
        first = threading.Thread(target=run, args=("alone",), kwargs={"alone": True})
        first.start()
        wait("the gate", lambda: held(tmp_path / "gate"))
        second = threading.Thread(target=run, args=("later",), kwargs={"alone": False})
        second.start()
        assert order == []
    first.join(60)
    second.join(60)
    assert order == ["alone", "later"]


def held(path: Path) -> bool:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
