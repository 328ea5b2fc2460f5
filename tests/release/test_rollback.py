"""Going back: `gitops rollback`, and the same by plain git. Page, schema and ref, and no row that both have."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.site import migration

if TYPE_CHECKING:
    from tests.support.site import Site

NOTE = migration("0002", "0001", "alter table items add note text", "alter table items drop note")
TAGS = migration(
    "0003",
    "0002",
    "create table tags (id serial primary key, item int not null references items)",
    "drop table tags",
)


def picture(site: Site) -> dict[str, Any]:
    """What a rollback has to bring back; refs, record and ledger go forward."""
    found = json.loads(site.snapshot())
    rows = found["database"]["rows"]
    found["database"]["rows"] = {name: rows[name] for name in rows if not name.startswith("gitops.")}
    return {name: found[name] for name in ("database", "pages", "left over")}


def rollback(site: Site, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gitops_cli", "rollback", *arguments],
        cwd=site.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def push_the_old_tree(site: Site) -> str:
    """Make the same forward commit by hand, as somebody without gitops does."""
    site.git("read-tree", "-u", "--reset", "HEAD~2^{tree}")
    site.git("commit", "-q", "-m", "As it was")
    pushed = site.push()
    assert pushed.code == 0, pushed.text
    return pushed.text


@pytest.mark.parametrize("by", ["gitops rollback", "plain git"])
def test_page_schema_and_rows_are_those_of_the_old_release(fresh: Site, by: str) -> None:
    fresh.release("The first version")
    fresh.sql("insert into items (name) values ('one'), ('two')")
    first, old = picture(fresh), fresh.tip
    fresh.release("A note", {"page.txt": "two\n", "migrations/versions/0002_note.py": NOTE})
    fresh.release("Tags", {"page.txt": "three\n", "migrations/versions/0003_tags.py": TAGS})
    assert picture(fresh) != first
    live = fresh.tip
    text = rollback(fresh, "1") if by == "gitops rollback" else push_the_old_tree(fresh)
    assert "2 migrations down" in text
    assert picture(fresh) == first
    assert fresh.page() == "one\n"
    log = fresh.git("log", "--format=%H %T", "-2").splitlines()
    assert [line.split()[0] for line in log] == [fresh.tip, live]  # one forward commit, and no other
    assert log[0].split()[1] == fresh.git("rev-parse", f"{old}^{{tree}}")
    assert fresh.git("status", "--porcelain") == ""


def test_forward_again_is_a_rollback_of_the_rollback(fresh: Site) -> None:
    fresh.release("The first version")
    fresh.sql("insert into items (name) values ('one')")
    fresh.release("A note", {"page.txt": "two\n", "migrations/versions/0002_note.py": NOTE})
    second = picture(fresh)
    rollback(fresh)
    rollback(fresh)
    assert picture(fresh) == second
    assert fresh.git("rev-parse", "HEAD^{tree}") == fresh.git("rev-parse", "HEAD~2^{tree}")
