"""The journal of an environment: one file for each release, in one folder.

    FOLDER/000017.journal        the release that runs, or that died: at most one
    FOLDER/done/000016.journal   releases that are over and settled

All bytes go through a `Disk`. Who opens a journal holds the environment's lock.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.disk import Disk
from gitops_cli.adapters.processes.identity import Identity
from gitops_cli.errors import Bug, JournalLost, Unavailable
from gitops_cli.pipeline.reading import numbers, peek, read
from gitops_cli.pipeline.records import HEADER, Begin, frame
from gitops_cli.pipeline.told import Told, fold
from gitops_cli.pipeline.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitops_cli.pipeline.model import Finished, Release


class Journal:
    """All releases of one environment on this disk."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        """`folder` is `Home.journal(environment)`; it is made when the first release begins."""
        self.folder = folder
        self.done = folder / "done"
        self.disk = disk or Disk()

    def next_number(self) -> int:
        """Give the number of the next release: one more than any number ever used here."""
        return 1 + max([*numbers(self.disk, self.folder), *numbers(self.disk, self.done)], default=0)

    def begin(self, release: Release, steps: Sequence[str] = ()) -> Writer:
        """Open the file of a new release.

        Raises `Bug` when one is still open or the number was used, `JournalLost` when the disk refuses:
        then nothing was begun.
        """
        if self._open_paths() or release.number < self.next_number():
            raise Bug(f"release {release.number} cannot begin in {self.folder}", code="journal.order")
        path = self.folder / f"{release.number:06}.journal"
        try:
            data = HEADER + frame(Begin(release, tuple(steps)))
        except (ValueError, TypeError) as error:
            raise Bug(f"release {release.number} cannot be written down", code="journal.text") from error
        try:
            self._create(path, data)
        except OSError as error:
            with suppress(OSError):  # at best nothing is left; at worst a journal without an intent
                self.disk.remove(path)
            raise JournalLost(f"cannot write the journal {path}: {error.strerror or error}") from error
        return Writer(self.disk, path, Told(release, tuple(steps)), len(data))

    def reopen(self) -> Writer | None:
        """Open the journal of a release that is not over, cut at the first bad record; None without one.

        A file without a whole first record is removed: its release had not begun. Raises `Unavailable`
        with the file's name for a journal of a newer version, one damaged in its middle, and two at once.
        """
        paths = self._open_paths()
        if len(paths) > 1:
            both = " and ".join(path.name for path in paths)
            raise Unavailable(f"{self.folder} holds two open journals, {both}", code="journal.two")
        for path in paths:
            return self._reopen(path)
        return None

    def open_release(self) -> Release | None:
        """Tell the release that is not over, if there is one. Changes nothing, needs no lock."""
        told = self._told_open()
        return told.release if told else None

    def children(self) -> list[Identity]:
        """Name the processes that the open release noted as `child` (`asdict` of an `Identity`).

        Changes nothing, needs no lock: it is asked when the lock's holder is dead.
        """
        told = self._told_open()
        named = [note.facts["child"] for note in told.notes if "child" in note.facts] if told else []
        return [msgspec.convert(child, Identity) for child in named if child]

    def archive(self, writer: Writer) -> None:
        """Move the file of a release that is over out of the way. Raises `JournalLost`."""
        try:
            self.disk.rename(writer.path, self.done / writer.path.name)
            self.disk.sync_folder(self.done)
            self.disk.sync_folder(self.folder)
        except OSError as error:
            raise JournalLost(f"cannot move {writer.path}: {error.strerror or error}") from error

    def finished(self, limit: int = 20) -> list[Finished]:
        """Tell the newest `limit` releases that are over, newest first; a spoilt old file is left out."""
        found: list[Finished] = []
        for number in sorted(numbers(self.disk, self.done), reverse=True)[:limit]:
            with suppress(Unavailable):
                told = peek(self.disk, self.done / f"{number:06}.journal")
                if told and told.end:
                    found.append(told.finished(told.end))
        return found

    def prune(self, keep: int = 500) -> int:
        """Remove all but the newest `keep` (at least 1: numbers go on from it) and say how many went."""
        old = numbers(self.disk, self.done)[: -max(keep, 1)]
        for number in old:
            self.disk.remove(self.done / f"{number:06}.journal")
        return len(old)

    def _create(self, path: Path, data: bytes) -> None:
        self.disk.make_folder(self.done)
        self.disk.create(path)
        self.disk.append(path, data)
        self.disk.sync(path)
        self.disk.sync_folder(self.folder)

    def _reopen(self, path: Path) -> Writer | None:
        data, found = read(self.disk, path)
        told = fold(found.entries)
        try:
            if told is None:
                self.disk.remove(path)
                self.disk.sync_folder(self.folder)
                return None
            if found.good < len(data):
                self.disk.truncate(path, found.good)
                self.disk.sync(path)
        except OSError as error:
            raise JournalLost(f"cannot mend the journal {path}: {error.strerror or error}") from error
        return Writer(self.disk, path, told, found.good)

    def _told_open(self) -> Told | None:
        return next((told for path in self._open_paths() if (told := peek(self.disk, path))), None)

    def _open_paths(self) -> list[Path]:
        return [self.folder / f"{number:06}.journal" for number in numbers(self.disk, self.folder)]
