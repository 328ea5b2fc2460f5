"""A push that succeeds: what is served, what is recorded, what a second one changes."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from tests.support.site import migration

if TYPE_CHECKING:
    from tests.support.site import Site


def processes(site: Site) -> list[int]:
    (standing,) = releases.status(site.home)
    return [process.pid for process in standing.live.processes]


def test_a_push_serves_the_page_and_moves_ref_database_and_record(fresh: Site) -> None:
    text = fresh.release()
    assert fresh.page() == "one\n"
    assert fresh.sql("select version_num from alembic_version") == [("0001",)]
    assert fresh.tip == fresh.git("rev-parse", "HEAD")
    for step in ("validate", "build", "rehearse", "migrate", "deploy", "verify", "publish"):
        assert step in text
    assert "http://127.0.0.1:" in text
    fresh.git("fetch", "-q", "gitops", "+refs/gitops/releases/*:refs/gitops/releases/*")
    record = json.loads(fresh.git("show", "refs/gitops/releases/production:release.json"))
    assert record["outcome"] == "released"
    assert record["release"]["commit"] == fresh.tip


def test_the_pushers_umask_does_not_matter(fresh: Site) -> None:
    """As root PostgreSQL and the app are other users: with 077 they could not open what they run from."""
    done = subprocess.run(
        ["git", "-C", str(fresh.folder), "push", "gitops", "main"],
        capture_output=True,
        text=True,
        check=False,
        umask=0o077,
    )
    assert done.returncode == 0, done.stderr
    assert fresh.page() == "one\n"


def test_a_further_push_changes_the_page_and_the_schema(fresh: Site) -> None:
    fresh.release()
    fresh.sql("insert into items (name) values ('kept')")
    urls = fresh.urls
    note = migration("0002", "0001", "alter table items add note text", "alter table items drop note")
    fresh.release(files={"page.txt": "two\n", "migrations/versions/0002_note.py": note})
    assert fresh.page() == "two\n"
    assert fresh.urls == urls
    assert fresh.sql("select name, note from items") == [("kept", None)]


@pytest.mark.row(19)
def test_a_push_of_the_same_tree_moves_the_ref_and_builds_nothing(fresh: Site) -> None:
    fresh.release()
    before = fresh.snapshot().replace(fresh.tip, "TIP")
    text = fresh.release("No change at all")
    assert "nothing to do" in text
    assert "build" not in text
    assert fresh.tip == fresh.git("rev-parse", "HEAD")
    assert releases.status(fresh.home)[0].live.commit == fresh.tip
    after = json.loads(fresh.snapshot())
    assert after["processes"] == json.loads(before)["processes"]
    assert after["database"] == json.loads(before)["database"]
    pids = processes(fresh)
    assert fresh.recover() == []
    assert processes(fresh) == pids


def test_an_unbound_branch_moves_without_a_release(live: Site) -> None:
    live.git("checkout", "-q", "-b", "idea")
    live.commit(files={"page.txt": "an idea\n"})
    pushed = live.push("idea")
    assert pushed.code == 0, pushed.text
    assert live.page() == "one\n"
    assert live.push("--delete", "idea").code == 0
    live.git("checkout", "-q", "main")


def test_a_clone_without_gitops_on_its_path_releases_too(fresh: Site, tmp_path: object) -> None:
    fresh.commit()
    done = subprocess.run(
        ["git", "-C", str(fresh.folder), "push", str(fresh.home.repo), "main"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert fresh.page() == "one\n"
