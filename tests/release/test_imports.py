"""What a whole push imports, as the interpreters of its hooks tell: SQLAlchemy is for the migration child alone."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from gitops_cli.adapters.git import settings
from tests.support.site import migration

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.site import Site

HEAVY = {"typer", "click", "rich", "git", "kubernetes", "pydantic", "sqlalchemy", "alembic"}
"""asyncio is not among them: psycopg imports it."""


def test_a_push_with_a_migration_imports_nothing_heavy_in_its_hooks(fresh: Site, tmp_path: Path) -> None:
    """`-X importtime` writes each import to standard error, which git passes on to the pusher."""
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -X importtime "$@"\n')
    wrapper.chmod(0o755)
    settings.make_bare(fresh.home.repo, interpreter=str(wrapper))
    fresh.commit(
        "A note",
        {
            "migrations/versions/0002_note.py": migration(
                "0002", "0001", "alter table items add note text", "alter table items drop note"
            )
        },
    )
    pushed = fresh.push()
    assert pushed.code == 0, pushed.text
    rows = [line for line in pushed.text.splitlines() if "import time:" in line]
    names = {row.rpartition("|")[2].strip() for row in rows}
    assert "gitops_cli.hooks.pre_receive" in names
    assert {"gitops_cli.steps.migrate", "gitops_cli.adapters.migrations.applying", "psycopg"} <= names
    assert names & HEAVY == set()
    assert fresh.sql("select version_num from alembic_version") == [("0002",)]
