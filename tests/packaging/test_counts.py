"""Gates by count: what a command imports. Times differ between machines, counts do not."""

from __future__ import annotations

import subprocess
import sys

import pytest

_COUNT = """
import sys
sys.argv = ["gitops", *{arguments!r}]
from gitops_cli.__main__ import main
try:
    main()
except SystemExit:
    pass
sys.stderr.write("\\n".join(sys.modules))
"""


def modules(*arguments: str) -> list[str]:
    """Give every module that is loaded when the command ends; `-I -S` leaves out what a site adds."""
    paths = f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", paths + _COUNT.format(arguments=list(arguments))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout
    return done.stderr.splitlines()


def test_version_imports_at_most_50_modules() -> None:
    found = modules("--version")
    assert len(found) <= 50
    assert "typer" not in found


def test_help_imports_at_most_160_modules_and_neither_rich_nor_pydantic() -> None:
    found = modules("--help")
    assert len(found) <= 160
    assert not {"rich", "pydantic", "git", "kubernetes", "alembic", "psycopg", "msgspec"} & set(found)


@pytest.mark.parametrize("command", ["init", "status", "rollback", "validate", "demo"])
def test_help_of_a_command_imports_none_of_the_heavy_libraries(command: str) -> None:
    found = modules(command, "--help")
    assert not {"rich", "pydantic", "git", "kubernetes", "alembic", "sqlalchemy", "psycopg"} & set(found)
