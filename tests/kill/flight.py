"""A push that is under way, stopped where its journal says, and what dies then."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from gitops_cli.adapters.git.refs import RefLock
from gitops_cli.pipeline.journal import Journal
from gitops_cli.pipeline.records import Note
from tests.kill import family
from tests.kill.watching import LONG, Folders, entries, holder, names, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitops_cli.pipeline.records import Entry
    from tests.support.site import Site

EARLY = ("pre-receive", "passed", "taken", "locked")
"""Points before the first record: the hook runs, has passed the push, proc-receive has it, the lock is held."""

RECORDS = (
    "begin",
    "intent validate", "done validate",
    "intent build", "done build",
    "intent rehearse", "note rehearse", "note rehearse #2", "done rehearse",
    "intent migrate", "note migrate", "note migrate #2", "note migrate #3", "note migrate #4", "done migrate",
    "intent deploy", "note deploy", "done deploy",
    "intent verify", "done verify",
    "intent publish", "note publish", "done publish",
    "end", "settled",
)  # fmt: skip
"""The journal of a push with a migration, record by record."""


UNDOING = (
    "failed deploy",
    "undoing deploy", "undone deploy",
    "undoing migrate", "note migrate #5", "note migrate #6", "note migrate #7", "undone migrate",
    "undoing rehearse", "undone rehearse",
    "undoing build", "undone build",
    "undoing validate", "undone validate",
    "end",
)  # fmt: skip
"""What follows when its new version never becomes ready."""
PUSH = ("git", "push", "gitops", "main")
RECOVER = (sys.executable, "-m", "gitops_cli", "recover")


class Flight:
    """One `git push` of a plain clone over the file transport, in a session of its own, for a `with`.

    Or one `gitops recover`, which writes the journal itself.
    """

    def __init__(self, site: Site, argv: Sequence[str] = PUSH) -> None:
        self.home = site.home
        journal = Journal(self.home.journal("production"))
        found = journal.open_release() if argv is RECOVER else None
        self.number = found.number if found is not None else journal.next_number()
        self._said = site.folder.parent / "said.txt"
        self.folders = Folders(
            self.home.pushes, self.home.lock("production").parent, self.home.journal("production")
        )
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                argv,
                cwd=site.folder,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.client = self.process.pid
        self._end = os.pidfd_open(self.client)
        self.hook = 0
        self.family: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._end)
        self.folders.__exit__()
        if self.process.poll() is None:
            family.kill(*self.family, *family.of_push(self.client), self.client)
            self.process.wait()

    @property
    def said(self) -> str:
        """What the pusher has seen so far."""
        return self._said.read_text(errors="replace")

    def records(self) -> list[Entry]:
        """Read what the journal of this release holds."""
        return entries(self.home, self.number)

    def names(self) -> list[str]:
        """Name the records that the journal of this release holds."""
        return names(self.records())

    def stop_at(self, point: str) -> str:
        """Let it go on to a point and stop the hook there; name where it stands, or "" when it has ended."""
        question = self._early(point) if point in EARLY else lambda: point in self.names()
        if not self.folders.until(question, self._end, often=0.01 if point in EARLY else LONG):
            return ""
        if point not in EARLY[:3]:
            self.hook = holder(self.home)
        if not self.hook or not family.stop(self.hook):
            return ""
        self.family = family.of_push(self.client)
        found = self.names()
        return found[-1] if found else point

    @contextmanager
    def before_the_refs(self) -> Iterator[None]:
        """Stop the hook before it moves a ref, for a `with`: in it the lock of the refs is ours, however late we are."""
        assert self.stop_at("note deploy"), self.said
        with RefLock(self.home):
            self.go_on()
            assert self.stop_at("note publish") == "note publish", self.said
            yield

    def _early(self, point: str) -> Callable[[], bool]:
        """Say how each early point is recognised; before the lock is held the hook is found by its name."""

        def hook(name: str) -> bool:
            self.hook = next((pid for pid, words in family.of_push(self.client).items() if name in words), 0)
            return self.hook != 0

        def passed() -> bool:
            return any(self.home.pushes.iterdir())

        return {
            "pre-receive": lambda: hook("entry.py pre-receive"),
            "passed": lambda: passed() and hook("entry.py pre-receive"),
            "taken": lambda: not passed() and hook("entry.py proc-receive"),
            "locked": lambda: holder(self.home) != 0,
        }[point]

    @property
    def receiver(self) -> int:
        """The pid of `git receive-pack`; 0 when the push was over before it could be stopped."""
        names = ("git receive-pack", "git-receive-pack")
        return next((pid for pid, words in self.family.items() if words.startswith(names)), 0)

    @property
    def child(self) -> int:
        """The process that the journal noted last as running pushed code, if it still runs; else 0."""
        noted = [
            e.facts["child"]["pid"] for e in self.records() if isinstance(e, Note) and "child" in e.facts
        ]
        return noted[-1] if noted and state(noted[-1]) not in ("", "Z") else 0

    def go_on(self) -> None:
        """Let the hook run again."""
        family.go_on(self.hook)

    def kill_at(self, count: int) -> bool:
        """Kill the process that we started when the journal holds that many records; False: it has ended."""
        if not self.folders.until(lambda: len(self.records()) >= count, self._end):
            return False
        family.kill(self.client)
        self.process.wait(LONG)
        return True

    def over(self) -> int:
        """Wait until everything of the push has ended, and give the client's exit code."""
        code = self.process.wait(LONG)
        family.ended(self.family)
        family.reap()
        return code

    def settled(self) -> None:
        """Wait until nobody holds the environment any more: a push whose client has gone ends by itself."""
        late = holder(self.home)
        while late:
            family.ended([late])
            found = holder(self.home)
            late = found if found != late else 0
