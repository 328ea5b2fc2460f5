"""Migration histories for the tests of this package."""

from __future__ import annotations

from gitops_cli.config.history import History, load_history
from tests.config.trees import FakeTree

ENV = "from alembic import context\ncontext.config.attributes['connection']\n"
BODY = "def upgrade():\n    op.create_table('t')\n\n\ndef downgrade():\n    op.drop_table('t')\n"


def migration(revision: str, down: object = None, body: str = BODY, extra: str = "") -> str:
    head = f'"""title of {revision}"""\nfrom alembic import op\n\nrevision = "{revision}"\n'
    return f"{head}down_revision = {down!r}\n{extra}\n{body}"


def tree(files: dict[str, str], modes: dict[str, int] | None = None) -> FakeTree:
    return FakeTree(
        {"db/env.py": ENV, **{f"db/versions/{name}": text for name, text in files.items()}}, modes
    )


def load(files: dict[str, str]) -> History:
    return load_history(tree(files), "db")


THREE = {"1_a.py": migration("1"), "2_b.py": migration("2", "1"), "3_c.py": migration("3", "2")}
