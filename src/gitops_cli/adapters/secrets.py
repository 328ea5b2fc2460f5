"""The operator's store: HOME/secrets/ENVIRONMENT/NAME/KEY, else HOME/secrets/NAME/KEY, one file for each key.

Names and keys come from pushed manifests: nothing but one plain path component each is looked up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitops_cli.adapters.files import read_or_none

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.home import Home

_PLAIN = re.compile(r"(?!\.\.?$)[-._a-zA-Z0-9]{1,253}")
MOST_BYTES = 1024 * 1024
"""Kubernetes' limit for a Secret."""


def _folders(home: Home, environment: str, name: str) -> list[Path]:
    if not _PLAIN.fullmatch(name):
        return []
    return [home.secrets / environment / name, home.secrets / name]


def resolve(home: Home, environment: str, name: str, key: str) -> str | None:
    """Give a value, or None when the store has none. One line end at the end of the file is no part of it.

    Raises `OSError` for a file that cannot be read.
    """
    if not _PLAIN.fullmatch(key):
        return None
    for folder in _folders(home, environment, name):
        path = folder / key
        data = read_or_none(path) if path.is_file() else None
        if data is not None and len(data) <= MOST_BYTES:
            return data.decode("utf-8", "surrogateescape").removesuffix("\n")
    return None


def keys(home: Home, environment: str, name: str) -> list[str]:
    """Name every key of a secret, sorted; none when there is no such secret."""
    found = {
        path.name
        for folder in _folders(home, environment, name)
        if folder.is_dir()
        for path in folder.iterdir()
        if path.is_file() and _PLAIN.fullmatch(path.name)
    }
    return sorted(found)
