"""A site whose every version has one migration more, and the question after each death: old or new?"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitops_cli.errors import GitopsError
from gitops_cli.pipeline.journal import Journal
from tests.kill import family
from tests.support.site import migration

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.site import Site

GROWING = ("cache/", "local/production/views/", "journal/production/done/", "local/production/supervisor.log")
"""What the state folder keeps after a release that was taken back too: caches, what is over, logs."""


@dataclass(frozen=True)
class Version:
    """One commit that the pusher wants live."""

    number: int
    commit: str

    @property
    def page(self) -> str:
        return f"version {self.number}\n"


@dataclass
class Scene:
    """The site, the version that is live, and the one that is pushed next."""

    site: Site
    live: Version = field(default_factory=lambda: Version(1, ""))
    wanted: Version | None = None

    def start(self) -> None:
        """Release the first version, with rows that nobody may lose."""
        family.catch_orphans()
        self.site.release("Version 1", {"page.txt": Version(1, "").page})
        self.live = Version(1, self.site.tip)
        self.site.sql("insert into items (name) select 'row ' || n from generate_series(1, 50) n")

    def next(self) -> Version:
        """Commit the version after the live one, unless that is done already."""
        if self.wanted is None:
            number = self.live.number + 1
            up, back = f"alter table items add c{number} int default 7", f"alter table items drop c{number}"
            text = migration(f"{number:04}", f"{number - 1:04}", up, back)
            files = {
                "page.txt": Version(number, "").page,
                f"migrations/versions/{number:04}_change.py": text,
            }
            self.wanted = Version(number, self.site.commit(f"Version {number}", files))
        return self.wanted

    def broken(self, files: dict[str, str]) -> None:
        """Commit a next version that cannot be released."""
        self.next()
        self.site.commit("It cannot be released", files)

    def further(self) -> Version:
        """Commit a version on top of the one that was pushed last, wherever that came to."""
        self.live, self.wanted = self.next(), None
        return self.next()

    def tidy(self) -> None:
        """After a test that failed: let the next one begin with whatever is live."""
        if Journal(self.site.home.journal("production")).open_release() is not None:
            with suppress(GitopsError):
                self.site.recover()
        if self.site.tip != self.live.commit:
            self.forget()
            number = int(self.site.git("log", "-1", "--format=%s").removeprefix("Version "))
            self.live = Version(number, self.site.tip)

    def forget(self) -> None:
        """Drop the commits that were not released."""
        self.site.back()
        self.wanted = None

    def picture(self) -> dict[str, Any]:
        """Picture everything that a push may move, and everything that one might leave behind."""
        picture: dict[str, Any] = json.loads(self.site.snapshot())
        state = self.site.home.state
        files = (str(path.relative_to(state)) for path in state.rglob("*") if path.is_file())
        databases = self.site.sql("select datname from pg_database where datname not like 'gitops_tpl_%'")
        return picture | {
            "running": family.mine(),
            "files": sorted(name for name in files if not name.startswith(GROWING)),
            "databases": sorted(str(row[0]) for row in databases),
            "locks": [path.name for path in state.rglob("*.lock") if _taken(path)],
        }

    def judge(self, before: dict[str, Any]) -> str:
        """Say whether everything is old or everything is new; anything else fails the test."""
        after = self.picture()
        if after == before:
            return "old"
        wanted = self.wanted
        assert wanted is not None
        told = {at: [_part(before, at), _part(after, at)] for at in difference(before, after)}
        assert set(told) == NEW, json.dumps({at: told.get(at) for at in set(told) ^ NEW}, indent=1)
        assert after["refs"]["refs/heads/main"] == wanted.commit
        assert self._recorded() == wanted.commit
        assert after["pages"] == {"web": f"200 {wanted.page}"}
        assert after["database"]["at"] == [f"{wanted.number:04}"]
        assert self._columns() == {"id", "name", *(f"c{n}" for n in range(2, wanted.number + 1))}
        assert self.site.sql("select count(*), max(name) from items") == [(50, "row 9")]
        self.live, self.wanted = wanted, None
        return "new"

    def _recorded(self) -> str:
        git = ["cat-file", "-p", "refs/gitops/releases/production:release.json"]
        text = self.site.git(f"--git-dir={self.site.home.repo}", *git)
        return str(json.loads(text)["release"]["commit"])

    def _columns(self) -> set[str]:
        rows = self.site.sql("select column_name from information_schema.columns where table_name = 'items'")
        return {str(row[0]) for row in rows}


NEW = {
    "refs/refs/heads/main", "refs/refs/gitops/releases/production", "pages/web", "database/at",
    "database/schema", "database/rows/gitops.ledger", "database/rows/public.alembic_version",
    "database/rows/public.items",
}  # fmt: skip
"""What a release of the next version changes: all of this and nothing else."""


def difference(before: Any, after: Any, at: str = "") -> set[str]:
    """Name what differs in two pictures."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = [difference(before.get(k), after.get(k), f"{at}/{k}") for k in {*before, *after}]
        return set().union(*found)
    return set() if before == after else {at.removeprefix("/")}


def _part(picture: Any, at: str) -> Any:
    names = at.split("/", 1)
    while names and isinstance(picture, dict) and at not in picture:
        found = next((key for key in picture if at.startswith(f"{key}/")), None)
        if found is None:
            return None
        picture, at = picture[found], at.removeprefix(f"{found}/")
    return picture.get(at) if isinstance(picture, dict) else picture


def _taken(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return path.name != "supervisor.lock"
    finally:
        os.close(descriptor)
    return False
