"""A world of real files that a release changes, and the steps that change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.errors import Failed
from gitops_cli.pipeline.engine import run
from gitops_cli.pipeline.journal import Journal
from gitops_cli.pipeline.model import Release
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.pipeline.recover import recover

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gitops_cli.adapters.disk import Disk
    from gitops_cli.pipeline.model import Finished
    from gitops_cli.pipeline.protocol import Record, Watcher

THINGS = ("database", "object", "ref", "release-ref")


class Change:
    """Writes the release's id into files; undo puts back what it noted."""

    def __init__(self, world: Path, name: str, *files: str) -> None:
        self.name = name
        self.world = world
        self.files = files
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def plan(self, release: Release) -> Sequence[str]:
        return ()

    def do(self, release: Release, record: Record) -> str:
        if "before" not in record.facts:
            record.note(before={file: (self.world / file).read_text() for file in self.files})
        self.before()
        for file in self.files:
            (self.world / file).write_text(release.id)
        self.after()
        return f"{self.name} is {release.id}"

    def undo(self, release: Release, record: Record) -> None:
        before = record.facts.get("before", {})
        assert isinstance(before, dict)
        for file, text in before.items():
            (self.world / file).write_text(str(text))

    def is_done(self, release: Release, record: Record) -> bool:
        return any((self.world / file).read_text() == release.id for file in self.files)

    def settle(self, release: Release, record: Record) -> None:
        (self.world / "settled").write_text(f"{release.id} {self.name}")


class Play:
    """A world, its journal and its steps; everything in one folder."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self.world = folder / "world"
        self.journal = Journal(folder / "journal", disk)
        if not self.world.exists():
            self.world.mkdir(parents=True)
            for name in THINGS:
                (self.world / name).write_text("old")
        self.migrate = Change(self.world, "migrate", "database")
        self.deploy = Change(self.world, "deploy", "object")
        self.publish = Change(self.world, "publish", "ref", "release-ref")
        self.steps = [self.migrate, self.deploy, self.publish]

    def release(self, name: str = "new", number: int = 0) -> Release:
        number = number or self.journal.next_number()
        return Release(number=number, id=name, environment="production", commit="c" * 40, tree="t" * 40)

    def run(self, name: str = "new", watch: Watcher = SILENT) -> Finished:
        return run(self.steps, self.release(name), self.journal, watch)

    def recover(self, watch: Watcher = SILENT) -> Finished | None:
        return recover(self.journal, lambda _release: self.steps, watch)

    def content(self) -> set[str]:
        return {(self.world / name).read_text() for name in THINGS}

    def open_files(self) -> list[Path]:
        return sorted(self.journal.folder.glob("*.journal"))


def says_no(cause: str = "the step says no") -> None:
    raise Failed(cause)


class Ear:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def begins(self, step: str) -> None:
        self.heard.append(("begins", step))

    def ends(self, step: str, seconds: float, line: str) -> None:
        self.heard.append(("ends", step))

    def fails(self, step: str, seconds: float, reason: str) -> None:
        self.heard.append(("fails", reason))

    def undoes(self, step: str, seconds: float) -> None:
        self.heard.append(("undoes", step))

    def says(self, text: str) -> None:
        self.heard.append(("says", text))
