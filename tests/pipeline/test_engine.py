"""One release: in order, undone in reverse, and honest when it cannot be undone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from gitops_cli.errors import BadInput, Bug, Stopped, Stuck
from gitops_cli.pipeline.engine import run
from gitops_cli.pipeline.records import Failed, scan
from tests.pipeline.folder import Ear, Play, says_no

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


def test_a_release_runs_its_steps_in_order_and_is_archived(play: Play) -> None:
    ear = Ear()
    finished = play.run(watch=ear)
    assert finished.outcome == "released"
    assert [name for name, _, _ in finished.steps] == ["migrate", "deploy", "publish"]
    assert finished.steps[0][2] == "migrate is new"
    assert finished.seconds >= sum(seconds for _, seconds, _ in finished.steps) > 0
    assert play.content() == {"new"}
    assert play.journal.finished() == [finished]
    assert play.open_files() == []
    assert (play.world / "settled").read_text() == "new publish"
    assert ear.heard == [(what, step.name) for step in play.steps for what in ("begins", "ends")]


def test_a_failure_is_undone_in_reverse_and_names_its_stage(play: Play) -> None:
    def fails() -> None:
        raise BadInput("a bad line", file="app.yaml", line=3, next_command="mend it")

    play.deploy.after = fails
    ear = Ear()
    finished = play.run(watch=ear)
    assert (finished.outcome, finished.stage) == ("refused", "deploy")
    assert finished.reason == "app.yaml:3: a bad line; next: mend it"
    assert play.content() == {"old"}
    assert ear.heard[-3:] == [("fails", finished.reason), ("undoes", "deploy"), ("undoes", "migrate")]
    assert play.journal.finished() == [finished]
    assert play.run("newer").outcome == "refused"
    play.deploy.after = lambda: None
    assert play.run("newest").release.number == 3


def test_a_bug_keeps_its_traceback_in_the_journal_only(play: Play) -> None:
    nothing: dict[str, None] = {}
    play.deploy.after = lambda: nothing["missing"]
    finished = play.run()
    assert finished.reason == "KeyError: 'missing'"
    data = (play.journal.done / "000001.journal").read_bytes()
    failed = next(entry for entry in scan(data).entries if isinstance(entry, Failed))
    assert failed.code == "bug"
    assert "Traceback" in failed.trace


def test_text_that_is_no_utf8_is_written_down_all_the_same(play: Play) -> None:
    def fails() -> None:
        raise BadInput("a name \udcff")

    play.deploy.after = fails
    assert play.run().reason == "a name ?"


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stopped("the pusher has gone")])
def test_an_interrupted_release_is_undone(play: Play, error: BaseException) -> None:
    def interrupted() -> None:
        raise error

    play.deploy.before = interrupted
    assert play.run().outcome == "refused"
    assert play.content() == {"old"}


def test_a_step_that_was_never_reached_is_not_undone(play: Play) -> None:
    play.migrate.before = says_no
    ear = Ear()
    play.run(watch=ear)
    assert [step for what, step in ear.heard if what == "undoes"] == ["migrate"]


def test_publishing_that_failed_after_the_world_took_it_is_finished(play: Play) -> None:
    def once() -> None:
        play.publish.after = lambda: None
        (play.world / "release-ref").write_text("old")
        raise Stopped("killed between two refs")

    play.publish.after = once
    assert play.run().outcome == "released"
    assert play.content() == {"new"}


def test_publishing_that_failed_before_is_undone(play: Play) -> None:
    play.publish.before = says_no
    assert play.run().outcome == "refused"
    assert play.content() == {"old"}


@pytest.mark.row(79)
def test_an_undo_that_fails_leaves_the_journal_open_until_it_works(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.publish.before = says_no
    with monkeypatch.context() as patch:
        patch.setattr(play.deploy, "undo", lambda *_: says_no("no way"))
        with pytest.raises(
            Stuck,
            match=r"deploy: release 1 failed at publish \(the step says no\) and could not be taken back: no way",
        ) as stuck:
            play.run()
        assert "gitops recover" in stuck.value.sentence()
        assert (play.world / "database").read_text() == "new"  # what deploy stood on is not taken away
        with pytest.raises(Stuck):  # the next push, while the cause lasts
            play.recover()
        with pytest.raises(Bug):
            play.run("another")
    finished = play.recover()
    assert finished is not None
    assert (finished.outcome, finished.stage, finished.reason) == ("undone", "publish", "the step says no")
    assert play.content() == {"old"}
    assert play.recover() is None


def test_what_stops_undoing_is_not_why_the_release_ended(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose process died has no reason, also when the first attempt to take it back fails."""
    play.publish.before = sys.exit  # not undone for: recovery does it, as after a kill
    with monkeypatch.context() as patch:
        patch.setattr(play.deploy, "undo", lambda *_: says_no())
        with pytest.raises(SystemExit):
            play.run()
        with pytest.raises(Stuck, match="deploy: release 1 could not be taken back: the step says no"):
            play.recover()
    finished = play.recover()
    assert finished is not None
    assert (finished.outcome, finished.stage, finished.reason) == ("undone", "", "")
    assert play.content() == {"old"}


def test_nothing_is_decided_when_the_world_does_not_answer(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.publish.after = says_no
    with monkeypatch.context() as patch:
        patch.setattr(play.publish, "is_done", lambda *_: says_no())
        with pytest.raises(Stuck, match="cannot tell whether release 1 was published"):
            play.run()
        with pytest.raises(Stuck):
            play.recover()
    assert play.content() == {"new"}
    play.publish.after = lambda: None
    finished = play.recover()
    assert finished is not None
    assert finished.outcome == "released"


def test_a_step_that_cannot_clean_up_is_reported_only(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play.migrate, "settle", lambda *_: says_no())
    ear = Ear()
    assert play.run(watch=ear).outcome == "released"
    assert ("says", "migrate: could not clean up: the step says no") in ear.heard
    assert play.open_files() == []


def test_steps_need_names_of_their_own(play: Play) -> None:
    for steps in ([], [play.migrate, play.migrate]):
        with pytest.raises(Bug):
            run(steps, play.release(), play.journal, Ear())
    assert play.journal.next_number() == 1


@pytest.mark.parametrize("between", [("ends", "migrate"), ("begins", "deploy"), ("ends", "deploy")])
def test_a_signal_between_two_steps_undoes_too(play: Play, between: tuple[str, str]) -> None:
    """It raises wherever the hook is; a watcher stands for the lines between two steps."""

    class Signalled(Ear):
        def hears(self, what: str, step: str) -> None:
            if (what, step) == between:
                raise Stopped("stopped by SIGTERM")

        def begins(self, step: str) -> None:
            self.hears("begins", step)

        def ends(self, step: str, seconds: float, line: str) -> None:
            self.hears("ends", step)

    finished = play.run(watch=Signalled())
    assert (finished.outcome, finished.reason) == ("refused", "stopped by SIGTERM")
    assert play.content() == {"old"}
    assert play.open_files() == []
