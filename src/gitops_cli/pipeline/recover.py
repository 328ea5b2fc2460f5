"""Settles the release that died: finished if the world took its last step, taken back if not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters import signals
from gitops_cli.adapters.clock import monotonic
from gitops_cli.errors import Unavailable
from gitops_cli.pipeline.engine import complete, taken
from gitops_cli.pipeline.outcome import finish, settle, take_back, tell
from gitops_cli.pipeline.records import Done

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitops_cli.pipeline.journal import Journal
    from gitops_cli.pipeline.model import Finished, Release
    from gitops_cli.pipeline.protocol import Step, Watcher
    from gitops_cli.pipeline.records import End
    from gitops_cli.pipeline.writer import Writer


def recover(
    journal: Journal, steps_for: Callable[[Release], Sequence[Step]], watch: Watcher
) -> Finished | None:
    """Settle the open journal and say how its release ended; None when none was open.

    The caller holds the lock. It may be killed at any point and run again; a signal that asks to stop waits
    until it is done. Raises `Stuck` as the engine does, `JournalLost`, and `Unavailable` naming the file of
    a journal that cannot be read or that names steps of another version.
    """
    writer = journal.reopen()
    if writer is None:
        return None
    steps = steps_for(writer.told.release)
    _check(steps, writer)
    with signals.held():
        return _settle(steps, journal, writer, watch)


def _settle(steps: Sequence[Step], journal: Journal, writer: Writer, watch: Watcher) -> Finished:
    end = writer.told.end
    if end is not None:
        return _close(steps, journal, writer, watch, end)
    if _published(steps, writer, watch):
        return finish(steps, journal, writer, watch, seconds=writer.told.seconds)
    end = writer.told.ending("undone", writer.told.seconds)
    return take_back(steps, journal, writer, watch, end=end)


def _published(steps: Sequence[Step], writer: Writer, watch: Watcher) -> bool:
    """Tell whether the world took the last step, and finish that step if so.

    Once undoing has begun nobody asks again: half of it is back, and `undo` puts back the rest.
    """
    last = steps[-1]
    if writer.told.undoing or not taken(last, writer):
        return False
    started = monotonic()
    line = complete(last, writer)
    if last.name not in [name for name, _, _ in writer.told.ran]:
        tell(writer, Done(last.name, line, monotonic() - started))
    watch.ends(last.name, monotonic() - started, line)
    return True


def _close(steps: Sequence[Step], journal: Journal, writer: Writer, watch: Watcher, end: End) -> Finished:
    """Do what was left after the `end` record."""
    if end.outcome == "released" and not writer.told.settled:
        settle(steps, journal, writer, watch)
    else:
        journal.archive(writer)
    return writer.told.finished(end)


def _check(steps: Sequence[Step], writer: Writer) -> None:
    known = [step.name for step in steps]
    told = writer.told
    if set(told.intents) - set(known) or (told.steps and told.steps[-1] != known[-1]):
        theirs, ours = ", ".join(told.steps), ", ".join(known)
        raise Unavailable(
            f"the journal {writer.path} has the steps {theirs}, and this gitops has {ours}",
            code="journal.steps",
            next_command="install the gitops that began this release, and run gitops recover",
        )
