"""Real files and real signals: the process dies at each point of a release and of its recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pipeline.folder import Play

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


def _dead(tmp_path: Path, victim: Callable[..., subprocess.CompletedProcess[str]], mode: str) -> list[Path]:
    done = victim(tmp_path, mode)
    assert done.returncode == 0, done.stderr
    points = int(done.stdout)
    assert points > 40
    return [tmp_path / str(number) for number in range(points)]


@pytest.mark.row(60)
@pytest.mark.parametrize("mode", ["release", "refusal"])
def test_killed_at_each_point_of_the_journal(
    mode: str, tmp_path: Path, victim: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    seen = set()
    for folder in _dead(tmp_path, victim, mode):
        assert (folder / "status").read_text() == "9", folder
        play = Play(folder)
        moved = "new" in {(play.world / name).read_text() for name in ("ref", "release-ref")}
        finished = play.recover()
        assert play.content() == ({"new"} if moved else {"old"}), folder
        assert play.open_files() == []
        assert play.recover() is None
        assert play.run("newer").outcome == "released"
        assert play.content() == {"newer"}
        seen.add(finished.outcome if finished else "nothing to recover")
    assert seen >= {"undone", "nothing to recover", "released" if mode == "release" else "refused"}


@pytest.mark.row(60)
def test_killed_again_in_the_recovery(
    tmp_path: Path, victim: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    dead = _dead(tmp_path / "first", victim, "release")
    for folder in dead[9 :: len(dead) // 2]:
        done = victim(folder, "recover")
        assert done.returncode == 0, done.stderr
        for number in range(int(done.stdout)):
            play = Play(folder / str(number))
            moved = "new" in {(play.world / name).read_text() for name in ("ref", "release-ref")}
            play.recover()
            assert play.content() == ({"new"} if moved else {"old"}), play.world
            assert play.open_files() == []


@pytest.mark.row(60)
def test_a_signal_at_each_point_undoes_or_finishes_at_once(
    tmp_path: Path, victim: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    for folder in _dead(tmp_path, victim, "stop"):
        assert (folder / "status").read_text() == "0", folder
        play = Play(folder)
        content = play.content()
        assert content in ({"old"}, {"new"}), folder
        play.recover()
        assert play.content() == content
        assert play.open_files() == []


@pytest.mark.row(60, 69)
def test_a_first_signal_does_not_cut_the_undo_short(
    tmp_path: Path, victim: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A release that fails and is asked to stop at each point, also while it is being taken back."""
    for folder in _dead(tmp_path, victim, "asked"):
        assert (folder / "status").read_text() == "0", folder
        assert not (folder / "raised").exists(), (folder / "raised").read_text()
        play = Play(folder)
        assert play.content() == {"old"}, folder
        assert play.open_files() == [], folder
