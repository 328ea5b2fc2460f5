"""The files that gitops writes for others: hooks, a project, remote.yaml. They ship in the wheel."""

from __future__ import annotations

from pathlib import Path

from gitops_cli.errors import Unavailable

_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / "templates", _PACKAGE.parents[1] / "templates")
"""In a wheel they lie inside the package, in a checkout beside `src`."""


def folder() -> Path:
    """Give the folder of all templates. Raises `Unavailable` in a broken installation."""
    for place in _PLACES:
        if (place / "project").is_dir():
            return place
    raise Unavailable(
        f"the templates are missing under {_PACKAGE}",
        code="install.templates",
        next_command="install gitops-cli again",
    )


def read(name: str, /, **values: str) -> str:
    """Read the template `project/app.py` and put values in place of `@key@`."""
    text = (folder() / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
