"""`gitops migrate create`, `status`, `check`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.config.history import load_history
from tests.cli.conftest import gitops

if TYPE_CHECKING:
    from pathlib import Path


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
