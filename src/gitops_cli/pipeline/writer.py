"""The pen of one release's journal, and what a step gets to see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.errors import JournalLost
from gitops_cli.pipeline.records import Note, frame

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitops_cli.adapters.disk import Disk
    from gitops_cli.pipeline.model import Json
    from gitops_cli.pipeline.records import Entry
    from gitops_cli.pipeline.told import Told


class Writer:
    """Appends records to one file. Each is on disk when `write` returns."""

    def __init__(self, disk: Disk, path: Path, told: Told, size: int) -> None:
        """`size` is where the good records of the file end, in bytes."""
        self.path = path
        self.told = told
        self.lost = False
        self._disk = disk
        self._size = size
        self._torn = False

    def write(self, entry: Entry) -> None:
        """Add one record and make it durable.

        Raises `JournalLost` when the disk refuses, and from then on always: what stands in the file is
        then unknown (Linux drops the pages after a failed fsync), and only a new process may read it.
        """
        if self.lost:
            raise self._loss("an earlier record could not be written")
        data = frame(entry)
        try:
            self._mend()
            self._torn = True
            self._disk.append(self.path, data)
            self._disk.sync(self.path)
        except OSError as error:
            self.lost = True
            raise self._loss(error.strerror or str(error)) from error
        self._size += len(data)
        self._torn = False
        self.told.add(entry)

    def record(self, step: str) -> StepRecord:
        """Give what the step of that name may read and write."""
        return StepRecord(self, step)

    def _mend(self) -> None:
        """Cut what a signal's exception left behind in the middle of the last `write`."""
        if self._torn:
            self._disk.truncate(self.path, self._size)
            self._disk.sync(self.path)

    def _loss(self, why: str) -> JournalLost:
        return JournalLost(f"cannot write the journal {self.path}: {why}")


class StepRecord:
    """What one step may write down and read; a `protocol.Record`."""

    def __init__(self, writer: Writer, step: str) -> None:
        self._writer = writer
        self._step = step

    @property
    def facts(self) -> Mapping[str, Json]:
        """Everything this step has noted so far in this release, later notes over earlier ones."""
        return self.of(self._step)

    def note(self, **facts: Json) -> None:
        """Write facts down *before* the effect that they describe. Raises `JournalLost`."""
        self._writer.write(Note(self._step, facts))

    def of(self, step: str) -> Mapping[str, Json]:
        """Tell the facts of another step of the same release; empty if it noted none."""
        return dict(self._writer.told.facts.get(step, {}))

    @property
    def ran(self) -> tuple[tuple[str, float, str], ...]:
        """Name, seconds and line of each step that was done so far: for the release's record in git."""
        return tuple(self._writer.told.ran)
