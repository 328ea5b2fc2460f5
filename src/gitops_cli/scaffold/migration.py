"""`gitops migrate create`: the file of a new migration, after the newest one. And `migrate status`."""

from __future__ import annotations

import re
import secrets
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gitops_cli.adapters.created import Created
from gitops_cli.adapters.text import safe
from gitops_cli.config.history import load_history
from gitops_cli.config.load import load_project
from gitops_cli.errors import Refused
from gitops_cli.scaffold.known import Known

if TYPE_CHECKING:
    from gitops_cli.adapters.checkout import Checkout

_NUMBERED = re.compile(r"\d{4}")
_HEAD = '''\
"""{message}"""
{imports}
revision = "{revision}"
down_revision = {down}
branch_labels = None
depends_on = None


'''
_PYTHON_IMPORTS = """
import sqlalchemy as sa
from alembic import op
"""
_PYTHON = """\
def upgrade():
    pass


def downgrade():
    pass
"""
_SQL_IMPORTS = """
from pathlib import Path

from alembic import op
"""
_SQL = """\
def upgrade():
    run("up")


def downgrade():
    run("down")


def run(way):
    sql = Path(__file__).with_suffix(f".{way}.sql").read_text(encoding="utf-8")
    # as it stands: no `%s`, no `:name`, several statements
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})
"""


def create(checkout: Checkout, message: str, *, sql: bool = False) -> list[str]:
    """Write a migration and give its paths. Raises `Refused`, `BadMigration` when there are two heads."""
    tree = checkout.tree()
    folder = load_project(tree).migrations
    if not folder:
        raise Refused(
            "gitops.yaml names no migrations folder",
            code="migrate.none",
            next_command="gitops init",
            file="gitops.yaml",
        )
    history = load_history(tree, folder)
    revision = _next([found.id for found in history.revisions])
    words = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")[:40].strip("_") or "migration"
    stem = str(PurePosixPath(folder, "versions", f"{revision}_{words}"))
    head = _HEAD.format(
        message=safe(" ".join(message.split())).replace("\\", "/").replace('"', "'"),
        imports=_SQL_IMPORTS if sql else _PYTHON_IMPORTS,
        revision=revision,
        down=f'"{history.head}"' if history.head else None,
    )
    files = {f"{stem}.py": head + (_SQL if sql else _PYTHON)}
    if sql:
        files |= {f"{stem}.up.sql": "-- the change\n", f"{stem}.down.sql": "-- its way back\n"}
    with Created() as created:
        for path, text in files.items():
            created.write(checkout.top / path, text.encode())
    return list(files)


def _next(names: list[str]) -> str:
    """Give the next number where the history is numbered (or empty); else a random id, as Alembic does."""
    numbers = [int(name) for name in names if _NUMBERED.fullmatch(name)]
    if len(numbers) == len(names):
        return f"{max(numbers, default=0) + 1:04}"
    return secrets.token_hex(6)


def status(checkout: Checkout, remote: str) -> list[dict[str, str]]:
    """List every migration, oldest first.

    `live`: the last release has it; `new`: it would run; `edited`: it was changed after it ran.
    """
    tree = checkout.tree()
    history = load_history(tree, load_project(tree).migrations)
    applied: dict[str, str] = {}
    if remote in checkout.remotes:
        known = Known(checkout, remote).fetch()
        for name in known.environments():
            released = next(known.releases(name)).told.release
            there = known.repo.tree(released.commit)
            applied |= dict(load_history(there, load_project(there).migrations).applied)
    return [
        {
            "revision": found.id,
            "state": _state(applied.get(found.id), found.identity),
            "title": found.title,
            "file": found.file,
        }
        for found in history.revisions
    ]


def _state(applied: str | None, identity: str) -> str:
    if applied is None:
        return "new"
    return "live" if applied == identity else "edited"
