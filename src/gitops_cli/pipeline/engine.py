"""Runs one release: every step or none.

    begin   for each step: intent, do, done   end   for each step: settle   settled   archive
            at a failure: failed, then newest first: undoing, undo, undone   end   archive

A signal is heard only where a step does its work: what was begun is taken back, or finished, whoever asks.
A record is on disk before what it announces happens. The last step publishes and is the commit point:
whether the world took it is asked of the world (`is_done`), never of the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters import signals
from gitops_cli.adapters.clock import monotonic
from gitops_cli.errors import Bug, Stuck
from gitops_cli.pipeline.outcome import CAUGHT, RECOVER, clean, failed, finish, reason, take_back, tell
from gitops_cli.pipeline.records import Done, Intent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.journal import Journal
    from gitops_cli.pipeline.model import Finished, Release
    from gitops_cli.pipeline.protocol import Step, Watcher
    from gitops_cli.pipeline.records import Failed
    from gitops_cli.pipeline.writer import Writer


def run(steps: Sequence[Step], release: Release, journal: Journal, watch: Watcher) -> Finished:
    """Run a release and say how it ended: released, or refused and taken back. The caller holds the lock.

    Raises `JournalLost` when the journal cannot be written (all was taken back as far as possible),
    `Stuck` when something could not be taken back or asked about; the journal then stays open.
    """
    names = [step.name for step in steps]
    if not names or len(set(names)) != len(names):
        raise Bug(f"a release needs steps of different names, not {names}", code="engine.steps")
    with signals.held():
        return _run(steps, journal.begin(release, names), journal, watch)


def _run(steps: Sequence[Step], writer: Writer, journal: Journal, watch: Watcher) -> Finished:
    started = monotonic()
    try:
        failure = _forward(steps[:-1], writer, watch)
    except CAUGHT as error:  # Ctrl-C at a terminal, between two steps
        at = writer.told.intents[-1] if writer.told.intents else steps[0].name
        failure = _fails(failed(at, error, 0.0), writer, watch)
    failure = failure or _publish(steps[-1], writer, watch)
    seconds = monotonic() - started
    if failure is None:
        return finish(steps, journal, writer, watch, seconds=seconds)
    writer.told.failure = writer.told.failure or failure  # also when the journal could not take it
    end = writer.told.ending("refused", seconds)
    return take_back(steps, journal, writer, watch, end=end)


def taken(last: Step, writer: Writer) -> bool:
    """Ask the world whether it took the last step. Raises `Stuck` when it does not answer."""
    if last.name not in writer.told.intents:
        return False
    release = writer.told.release
    try:
        return last.is_done(release, writer.record(last.name))
    except CAUGHT as error:
        raise Stuck(
            f"cannot tell whether release {release.number} was published: {reason(error)}",
            code="stuck.unknown",
            stage=last.name,
            changed="everything that it changed is still there",
            next_command=RECOVER,
        ) from error


def complete(last: Step, writer: Writer) -> str:
    """Do the last step again, as the world took some of it. Raises `Stuck`."""
    release = writer.told.release
    try:
        return clean(last.do(release, writer.record(last.name)))
    except CAUGHT as error:
        raise Stuck(
            f"release {release.number} is published, but not all of it: {reason(error)}",
            code="stuck.publish",
            stage=last.name,
            changed="everything that it changed is there",
            next_command=RECOVER,
        ) from error


def _forward(steps: Sequence[Step], writer: Writer, watch: Watcher) -> Failed | None:
    for step in steps:
        started = _begins(step, watch)
        try:
            writer.write(Intent(step.name))
            with signals.heard():
                line = clean(step.do(writer.told.release, writer.record(step.name)))
            writer.write(Done(step.name, line, monotonic() - started))
        except CAUGHT as error:
            return _fails(failed(step.name, error, monotonic() - started), writer, watch)
        watch.ends(step.name, monotonic() - started, line)
    return None


def _publish(last: Step, writer: Writer, watch: Watcher) -> Failed | None:
    started = _begins(last, watch)
    try:
        writer.write(Intent(last.name))
        with signals.heard():
            line = clean(last.do(writer.told.release, writer.record(last.name)))
    except CAUGHT as error:
        if not taken(last, writer):
            return _fails(failed(last.name, error, monotonic() - started), writer, watch)
        line = complete(last, writer)
    tell(writer, Done(last.name, line, monotonic() - started))
    watch.ends(last.name, monotonic() - started, line)
    return None


def _begins(step: Step, watch: Watcher) -> float:
    watch.begins(step.name)
    return monotonic()


def _fails(failure: Failed, writer: Writer, watch: Watcher) -> Failed:
    tell(writer, failure)
    watch.fails(failure.step, failure.seconds, failure.reason)
    return failure
