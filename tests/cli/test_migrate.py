"""`gitops migrate create`, `status`, `check`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.config.history import load_history
from tests.cli.conftest import gitops
from tests.support.site import Site, make_site, migration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTE = "alter table items add note text"
NO_NOTE = "alter table items drop note"
SECOND = "migrations/versions/0002_note.py"


def test_create_writes_the_next_numbered_migration(project: Path) -> None:
    said = gitops("migrate", "create", 'Price of a  "note"!', cwd=project)
    assert said.out == "wrote migrations/versions/0002_price_of_a_note.py\n", said.err
    history = load_history(Checkout.need(project).tree(), "migrations")
    assert history.head == "0002"
    assert history.revisions[1].title == "Price of a 'note'!"
    heads = subprocess.run(
        [sys.executable, "-m", "alembic", "heads"], cwd=project, capture_output=True, text=True, check=True
    )
    assert heads.stdout.startswith("0002 (head)")


def test_create_in_sql(project: Path) -> None:
    data = gitops("migrate", "create", "totals", "--sql", "--json", cwd=project).envelope["data"]
    stem = "migrations/versions/0002_totals"
    assert data["written"] == [f"{stem}.py", f"{stem}.up.sql", f"{stem}.down.sql"]
    (project / f"{stem}.up.sql").write_text("create table totals (n int); insert into totals select 7 % 4;\n")
    revision = load_history(Checkout.need(project).tree(), "migrations").revisions[1]
    assert [found.path for found in revision.sql_files] == data["written"][:0:-1]


def test_create_follows_a_history_with_other_names(project: Path) -> None:
    first = next((project / "migrations/versions").glob("0001_*.py"))
    first.write_text(first.read_text().replace('"0001"', '"8a1f00"'))
    gitops("migrate", "create", "more", cwd=project)
    history = load_history(Checkout.need(project).tree(), "migrations")
    assert history.revisions[1].downs == ("8a1f00",)
    assert len(history.head) == 12


def test_create_refuses_two_heads(project: Path) -> None:
    first = next((project / "migrations/versions").glob("0001_*.py"))
    (project / "migrations/versions/other.py").write_text(first.read_text().replace('"0001"', '"other"'))
    error = gitops("migrate", "create", "more", "--json", cwd=project).envelope["error"]
    assert error["code"] == "migration.heads"


def test_status_before_a_release(project: Path) -> None:
    said = gitops("migrate", "status", cwd=project)
    assert said.code == 0, said.err
    assert said.out.splitlines()[1].split() == ["0001", "new", "notes"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One release, with migration 0001."""
    site = make_site(tmp_path_factory.mktemp("site"))
    try:
        assert "rehearsed on an empty database" in gitops("migrate", "check", cwd=site.folder).out
        site.release("The first version")
        yield site
    finally:
        site.down()


@pytest.fixture
def second(site: Site) -> Iterator[Path]:
    """The file of a migration that is written and not committed."""
    path = site.folder / SECOND
    yield path
    path.unlink(missing_ok=True)


def test_check_rehearses_the_working_tree_and_changes_nothing(site: Site, second: Path) -> None:
    assert gitops("migrate", "check", cwd=site.folder).out == "production: nothing to migrate\n"
    second.write_text(migration("0002", "0001", NOTE, NO_NOTE))
    before, index = site.snapshot(), site.git("status", "--porcelain")
    said = gitops("migrate", "check", cwd=site.folder)
    assert said.code == 0, said.err
    assert f"up 0002 ({SECOND})\n" in said.out
    assert "production: 1 migration up, there, back and there again\n" in said.out
    assert site.snapshot() == before
    assert site.git("status", "--porcelain") == index == f"?? {SECOND}"
    assert list(site.home.exports.iterdir()) == []


def test_check_refuses_what_the_push_would_be_refused_for(site: Site, second: Path) -> None:
    second.write_text(migration("0002", "0001", NOTE, "select 1"))
    before = site.snapshot()
    said = gitops("migrate", "check", "--json", cwd=site.folder)
    error = said.envelope["error"]
    assert said.code == 1
    assert (error["code"], error["stage"], error["file"]) == ("migration.not-inverse", "rehearse", SECOND)
    assert site.snapshot() == before


def test_check_names_a_release_that_was_cut_off(site: Site, second: Path) -> None:
    """A journal that never ended, as a power cut leaves it."""
    second.write_text(migration("0002", "0001", NOTE, NO_NOTE))
    site.commit("A note", {"page.txt": "two\n"})
    folder = site.home.journal("production")
    done = max((folder / "done").iterdir())
    (folder / "000009.journal").write_bytes(done.read_bytes()[:-9])  # without its last record
    try:
        error = gitops("migrate", "check", "--json", cwd=site.folder).envelope["error"]
    finally:
        (folder / "000009.journal").unlink()
        site.back()
    assert error["code"] == "release.open"
    assert error["next"].startswith("gitops recover")


def test_check_only_reads_where_the_remote_is_elsewhere(site: Site, second: Path, tmp_path: Path) -> None:
    """Nothing is asked over the network: the host does not exist."""
    trap = tmp_path / "executed"
    second.write_text(migration("0002", "0001", f"!open({str(trap)!r}, 'w')", "!pass"))
    gitops("history", cwd=site.folder)  # fetches
    site.git("remote", "set-url", "gitops", "ssh://nowhere.invalid/shop/repo.git")
    try:
        data = gitops("migrate", "check", "--json", cwd=site.folder).envelope["data"]
        assert data["rehearsed"] is False
        assert data["pending"] == [f"up 0002 ({SECOND})"]
        assert "read, not run" in data["said"]
        assert not trap.exists()
        first = site.folder / "migrations/versions/0001_items.py"
        first.write_text(first.read_text().replace("name text", "title text"))
        error = gitops("migrate", "check", "--json", cwd=site.folder).envelope["error"]
        assert error["code"] == "migration.edited"
    finally:
        site.git("remote", "set-url", "gitops", str(site.home.repo))
        site.git("checkout", "-q", ".")


def test_check_without_a_remote_reads_all(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    assert gitops("init", str(folder), "--no-remote").code == 0
    said = gitops("migrate", "check", cwd=folder)
    assert said.out.splitlines()[0] == "up 0001 (migrations/versions/0001_notes.py)"
    assert "there is no git remote gitops" in said.out
