"""A data folder that was made and is not there: an empty one in its place would hide what it holds."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from gitops_cli.adapters.postgres.place import Place


def was_made(place: Place) -> bool:
    """Say whether the server's data folder has ever been in its place; it may be gone since.

    The port is chosen after the rename that puts it there, so a kill in `initdb` counts as never.
    """
    kept = place.kept()
    return kept is not None and kept.port > 0 and not place.throwaway


def refuse_lost(place: Place) -> None:
    """Refuse to make a new data folder where one was made before. Raises `Unavailable` (`postgres.moved`).

    Root's data folder is named after the remote's path and does not move along with it; an ordinary
    account's lies in the remote, where root does not look.
    """
    if not was_made(place):
        return
    kept = place.kept()
    inside, noted = place.home.state / place.name, kept.data if kept else ""
    why, then = "it was removed, or the remote was moved", "put it back from your backup"
    if inside != place.data and os.path.isdir(inside):  # noqa: PTH112 - may be closed
        who = _owner(inside.stat().st_uid)
        why, then = f"but in {inside}: {who} made it", f"run the same as {who}"
    elif noted != str(place.data) and os.path.isdir(noted):  # noqa: PTH112 - as above
        why, then = f"but in {noted}: the remote was moved", f"mv {noted} {place.data}"
    raise Unavailable(
        f"the data of this remote's PostgreSQL is not in {place.data}, {why}",
        code="postgres.moved",
        next_command=then,
    )


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
