"""Which refs may be pushed. git's own check is skipped for refs that proc-receive handles."""

from __future__ import annotations

import re

from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadRef

HEADS, TAGS = "refs/heads/", "refs/tags/"
_ALLOWED = re.compile(r"refs/(?:heads|tags)/[a-z0-9][a-z0-9._/-]{0,99}")
_OID = re.compile(r"[0-9a-f]{40}")


def is_oid(text: str) -> bool:
    """Say whether it is a full object id."""
    return _OID.fullmatch(text) is not None


def check_ref(name: str) -> None:
    """Refuse every ref but plain branches and tags. Raises `BadRef` with the name escaped.

    The alphabet is small on purpose: names reach messages, file names and other tools; upper case would
    make `Main` beside `main`, one file on many disks.
    """
    shown = safe(name, 80)
    if not name.startswith((HEADS, TAGS)):
        raise BadRef(f"only branches and tags can be pushed, not {shown}", code="ref.namespace")
    parts = name.split("/")
    if _ALLOWED.fullmatch(name) is None or any(
        not part or part.startswith(".") or part.endswith((".", ".lock")) or ".." in part for part in parts
    ):
        raise BadRef(
            f"the name {shown} is not allowed: use a-z, 0-9, '.', '_', '-' and '/', "
            "starting with a letter or digit, at most 100 characters",
            code="ref.name",
        )


def short(name: str) -> str:
    """Give a ref as people say it: `main`, `v1`."""
    return safe(name.removeprefix(HEADS).removeprefix(TAGS), 100)
