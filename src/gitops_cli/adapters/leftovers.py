"""What a kill in the middle of writing leaves: temporary names that hold the pid of who wrote.

.NAME.PID.tmp     a file of `write_atomic`, a folder that was being exported
relay-PID-TOKEN   the folder of a relay's socket
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.adapters import processes
from gitops_cli.adapters.files import remove_tree

if TYPE_CHECKING:
    from gitops_cli.adapters.home import Home

_NAME = re.compile(r"(?:\..+\.(\d+)\.tmp|relay-(\d+)-[0-9a-f]+)")
_PUSHED = frozenset({"views", "exports"})
"""Folders of folders that hold pushed files, which may be called anything."""
_LARGE = frozenset({"cache", "postgres"})
"""Not looked at: who fills them begins anew, or mends them."""


def sweep(home: Home) -> None:
    """Remove what processes that have ended were writing."""
    for top in (home.state, home.runtime_place):
        for folder, folders, names in os.walk(top):
            for name in [*names, *folders]:
                if _abandoned(name):
                    remove_tree(Path(folder, name))
            if os.path.basename(folder) in _PUSHED:  # noqa: PTH119 - os.walk gives strings
                folders.clear()
            folders[:] = [name for name in folders if name not in _LARGE]


def _abandoned(name: str) -> bool:
    found = _NAME.fullmatch(name)
    if found is None:
        return False
    who = processes.identity(int(found[1] or found[2]))
    return who is None or not processes.alive(who)
