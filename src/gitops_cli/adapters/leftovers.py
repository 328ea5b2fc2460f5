"""What a kill in the middle of `write_atomic` leaves: a temporary file named after the process that wrote."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from gitops_cli.adapters import processes

if TYPE_CHECKING:
    from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp")
_NOT_OURS = frozenset({"cache", "views", "exports"})
"""Folders of pushed files and of dependencies: large, and who makes them mends them."""


def sweep(top: Path) -> None:
    """Remove the temporary files of processes that have ended, everywhere below a folder."""
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name not in _NOT_OURS]
        for name in names:
            found = _TEMPORARY.fullmatch(name)
            if found is not None and not _lives(int(found[1])):
                with suppress(OSError):
                    os.unlink(os.path.join(folder, name))  # noqa: PTH108, PTH118 - os.walk gives strings


def _lives(pid: int) -> bool:
    who = processes.identity(pid)
    return who is not None and processes.alive(who)
