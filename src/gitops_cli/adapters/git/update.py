"""One ref that is to move."""

from __future__ import annotations

import msgspec

NO_COMMIT = "0" * 40


class RefUpdate(msgspec.Struct, frozen=True):
    """One ref of a push: full name, old and new object id (`NO_COMMIT`: absent)."""

    name: str
    old: str
    new: str
