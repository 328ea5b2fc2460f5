"""What a journal tells, record by record: the one place where records become a state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.pipeline.model import Finished, Json, Release
from gitops_cli.pipeline.records import Begin, Done, End, Failed, Intent, Note, Settled, Undoing, Undone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitops_cli.pipeline.model import Outcome
    from gitops_cli.pipeline.records import Entry


class Told(msgspec.Struct):
    """The state of one release as its journal has it."""

    release: Release
    steps: tuple[str, ...] = ()
    intents: list[str] = []
    """Steps that were about to be done, in order."""
    facts: dict[str, dict[str, Json]] = {}
    notes: list[Note] = []
    ran: list[tuple[str, float, str]] = []
    """Name, seconds and line of each step that was done or failed."""
    failure: Failed | None = None
    """The first failure before undoing: why the release was refused. None when its process died."""
    undoing: bool = False
    undone: set[str] = set()
    end: End | None = None
    settled: bool = False

    def add(self, entry: Entry) -> None:
        """Take one more record."""
        match entry:
            case Intent(step):
                self.intents.append(step)
            case Note(step, facts):
                self.notes.append(entry)
                self.facts.setdefault(step, {}).update(facts)
            case Done(step, line, seconds):
                self.ran.append((step, seconds, line))
            case Failed(step, reason, seconds):
                self.ran.append((step, seconds, reason))
                self.failure = self.failure or (None if self.undoing else entry)
            case Undoing():
                self.undoing = True
            case Undone(step):
                self.undone.add(step)
            case End():
                self.end = entry
            case Settled():
                self.settled = True
            case Begin(release, steps):
                self.release, self.steps = release, steps

    @property
    def seconds(self) -> float:
        """Seconds that the steps took: all that a journal knows after a crash."""
        return sum(seconds for _, seconds, _ in self.ran)

    def finished(self, end: End) -> Finished:
        """Tell the release as `history` does."""
        return Finished(
            release=self.release,
            outcome=end.outcome,
            seconds=end.seconds,
            stage=end.stage,
            reason=end.reason,
            steps=tuple(self.ran),
        )

    def ending(self, outcome: Outcome, seconds: float) -> End:
        """Make the record that ends this release, with the first failure's stage and reason."""
        failure = self.failure if outcome != "released" else None
        return End(outcome, seconds, failure.step if failure else "", failure.reason if failure else "")


def fold(entries: Iterable[Entry]) -> Told | None:
    """Read the records of one file; None when not even its first one is whole."""
    told: Told | None = None
    for entry in entries:
        if told is None:
            if not isinstance(entry, Begin):
                return None
            told = Told(entry.release, entry.steps)
        else:
            told.add(entry)
    return told
