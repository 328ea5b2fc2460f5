"""The environment of a child: built from nothing, never subtracted from ours.

`unset GIT_DIR GIT_QUARANTINE_PATH GIT_WORK_TREE` left GIT_OBJECT_DIRECTORY set, and a hook that committed
to another repository corrupted it with exit 0 (git 2.39). Subtracting forgets something; this cannot.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EMPTY_HOME = "/nonexistent"
"""No dot file of anybody is read: neither `~/.gitconfig` nor `~/.pgpass`."""


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give PATH, HOME and LC_ALL, then `extra` on top."""
    return {"PATH": PATH, "HOME": EMPTY_HOME, "LC_ALL": "C.UTF-8", **(extra or {})}


@contextmanager
def plain_umask() -> Iterator[None]:
    """Make files that others may read unless a mode says no, whatever the pusher's umask is.

    As root PostgreSQL and the app are other users: with umask 077 they could not open what they run from.
    """
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)
