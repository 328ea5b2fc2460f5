"""The two ways in which a release ends: finished, or taken back. The engine and recovery share them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gitops_cli.adapters.clock import monotonic
from gitops_cli.errors import GitopsError, JournalLost, Stuck
from gitops_cli.pipeline.records import End, Failed, Settled, Undoing, Undone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.journal import Journal
    from gitops_cli.pipeline.model import Finished
    from gitops_cli.pipeline.protocol import Step, Watcher
    from gitops_cli.pipeline.records import Entry
    from gitops_cli.pipeline.writer import Writer

RECOVER = "gitops recover"
CAUGHT = (Exception, KeyboardInterrupt)
"""What a step may raise and is undone for. Anything else ends the process at once: recovery undoes."""


def finish(
    steps: Sequence[Step], journal: Journal, writer: Writer, watch: Watcher, *, seconds: float
) -> Finished:
    """Write that the release is released, let every step settle, archive the journal.

    The world has taken the release, so it is released whatever happens here: a failure is told to
    `watch`, the journal stays open, and the next `recover` does the rest.
    """
    end = writer.told.ending("released", seconds)
    try:
        writer.write(end)
        settle(steps, journal, writer, watch)
    except CAUGHT as error:
        watch.says(f"released, but its journal is not closed: {reason(error)}; next: {RECOVER}")
    return writer.told.finished(end)


def settle(steps: Sequence[Step], journal: Journal, writer: Writer, watch: Watcher) -> None:
    """Let every step that ran let go of what it kept for undoing, then archive; a failure is told only."""
    for step in [step for step in steps if step.name in writer.told.intents]:
        try:
            step.settle(writer.told.release, writer.record(step.name))
        except Exception as error:  # noqa: BLE001 - what is left over never makes a release fail
            watch.says(f"{step.name}: could not clean up: {reason(error)}")
    writer.write(Settled())
    journal.archive(writer)


def take_back(
    steps: Sequence[Step], journal: Journal, writer: Writer, watch: Watcher, *, end: End
) -> Finished:
    """Undo every step that has an intent, newest first, then end and archive the journal.

    Raises `Stuck` at the first step that cannot be undone: those before it stay, as it stands on them.
    Raises `JournalLost` after undoing as far as that goes without a journal; undoing is idempotent, so
    the next process does it again.
    """
    for step in reversed(steps):
        if step.name in writer.told.intents and step.name not in writer.told.undone:
            _undo(step, writer, watch)
    tell(writer, end)
    if writer.told.end is None:
        raise JournalLost(
            f"{end.reason}; and the journal {writer.path} cannot be written".removeprefix("; and "),
            stage=end.stage,
            changed=f"release {writer.told.release.number} was put back",
            next_command="make room on the disk, then push again",
        )
    journal.archive(writer)
    return writer.told.finished(end)


def tell(writer: Writer, entry: Entry) -> None:
    """Write it down if that can be done: what was begun is put back with or without a journal.

    A signal's exception ends here too, as undoing is all that it could ask for.
    """
    with suppress(*CAUGHT):
        writer.write(entry)


def reason(error: BaseException) -> str:
    """Give the one sentence that a pusher gets of an error, without stage and without a traceback."""
    if not isinstance(error, GitopsError):
        text = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
    else:
        text = ": ".join(part for part in (error.place, error.cause) if part)
        text += f"; next: {error.next_command}" if error.next_command else ""
        text += "".join(f"; also {line}" for line in error.also)
    return clean(text)


def clean(text: str) -> str:
    """Give text that JSON can hold: bytes that were no UTF-8 (lone surrogates) become `?`."""
    return text.encode("utf-8", "replace").decode()


def failed(step: str, error: BaseException, seconds: float) -> Failed:
    """Make the record of a failure; an error that is no `GitopsError` is a bug and keeps its traceback."""
    if isinstance(error, GitopsError):
        return Failed(step, reason(error), seconds, error.code)
    import traceback  # noqa: PLC0415 - 13 ms, only for a bug

    code = "failed.stopped" if isinstance(error, KeyboardInterrupt) else "bug"
    return Failed(step, reason(error), seconds, code, clean("".join(traceback.format_exception(error))))


def _undo(step: Step, writer: Writer, watch: Watcher) -> None:
    release = writer.told.release
    started, first = monotonic(), writer.told.failure
    why = f" failed at {first.step} ({first.reason}) and" if first else ""
    tell(writer, Undoing(step.name))
    try:
        step.undo(release, writer.record(step.name))
    except CAUGHT as error:
        tell(writer, failed(step.name, error, monotonic() - started))
        raise Stuck(
            f"release {release.number}{why} could not be taken back: {reason(error)}",
            code="stuck.undo",
            stage=step.name,
            changed=f"what {step.name} and the steps before it changed is still there",
            next_command=RECOVER,
        ) from error
    tell(writer, Undone(step.name))
    watch.undoes(step.name, monotonic() - started)
