"""A disk that is full or broken: refused, nothing changed, and no help needed once it is well."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitops_cli.errors import JournalLost
from tests.pipeline.folder import Ear, Play

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Victim = Callable[..., subprocess.CompletedProcess[str]]


def _strace() -> str:
    """Give strace if it is there and may trace."""
    found = shutil.which("strace") or ""
    works = (
        found
        and subprocess.run([found, "-o", "/dev/null", "true"], check=False, capture_output=True).returncode
        == 0
    )
    return found if works else ""


def _well_again(play: Play) -> None:
    play.recover()
    assert play.content() == {"old"}
    assert play.open_files() == []
    assert play.run("newer").outcome == "released"
    assert play.content() == {"newer"}


@pytest.mark.row(65)
def test_no_room_for_the_journal_at_any_record(tmp_path: Path, victim: Victim) -> None:
    """A limit on file size makes write(2) come back short and then fail, as a full disk does."""
    whole = Play(tmp_path / "whole")
    whole.run()
    size = (whole.journal.done / "000001.journal").stat().st_size
    published = 0
    for limit in range(1, size, size // 12):
        play = Play(tmp_path / str(limit))
        code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit},) * 2)"
        done = victim(tmp_path / str(limit), "once", code=code)
        if play.content() == {"new"}:  # the world had taken it: only the closing records found no room
            assert (done.returncode, done.stdout.strip()) == (0, "released")
            assert play.open_files()
            published += 1
            finished = play.recover()
            assert finished is not None
            assert finished.outcome == "released"
            continue
        assert done.returncode == 1
        assert "cannot write the journal" in done.stderr or "cannot be written" in done.stderr
        assert play.content() == {"old"}, limit
        _well_again(play)
    assert published < 6


@pytest.mark.row(65, 66)
@pytest.mark.skipif(not _strace(), reason="strace is not there or may not trace")
@pytest.mark.parametrize(
    "fault", ["fsync:error=EIO:when={}", "write:error=ENOSPC:when={}+", "write:error=EIO:when={}"]
)
def test_each_write_and_fsync_refused_by_the_kernel(fault: str, tmp_path: Path, victim: Victim) -> None:
    """At each journal write or fsync before publishing: the process ends, nothing has changed."""
    for number in range(1, 9):
        folder = tmp_path / str(number)
        path = folder / "journal" / "000001.journal"
        play = Play(folder)
        call = fault.partition(":")[0]
        under = ("strace", "-qq", "-o", os.devnull, "-P", str(path), "-e", f"trace={call}")
        done = victim(folder, "once", under=(*under, "-e", f"inject={fault.format(number)}"))
        assert done.returncode == 1, (number, done.stdout, done.stderr)
        assert "journal" in done.stderr
        assert play.content() == {"old"}, number
        _well_again(play)


@pytest.mark.row(66)
def test_a_lost_journal_is_never_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play(tmp_path)
    calls: list[str] = []

    def fails(*_: object) -> None:
        calls.append("sync")
        raise OSError(5, "Input/output error")

    def breaks() -> None:
        monkeypatch.setattr(play.journal.disk, "sync", fails)

    play.deploy.before = breaks
    with pytest.raises(JournalLost, match="Input/output error") as lost:
        play.run()
    assert calls == ["sync"]
    assert "release 1 was put back" in lost.value.changed
    assert play.content() == {"old"}
    monkeypatch.undo()
    play = Play(tmp_path)
    _well_again(play)


@pytest.mark.row(65)
def test_a_journal_lost_after_publishing_is_reported_and_settled_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play(tmp_path)

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    play.publish.after = lambda: monkeypatch.setattr(play.journal.disk, "append", fails)
    ear = Ear()
    assert play.run(watch=ear).outcome == "released"
    assert "released, but its journal is not closed" in dict(ear.heard)["says"]
    monkeypatch.undo()
    play = Play(tmp_path)
    finished = play.recover()
    assert finished is not None
    assert finished.outcome == "released"
    assert play.content() == {"new"}
    assert (play.world / "settled").read_text() == "new publish"
