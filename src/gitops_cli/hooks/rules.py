"""What every push must keep to, whatever it holds: names, numbers, options.

Asked in pre-receive, and again in proc-receive, where git hands over names that it has not checked itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitops_cli.adapters.git.names import HEADS, TAGS, check_ref, is_oid, short
from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadRef, LimitExceeded, PolicyRefused, Unavailable
from gitops_cli.pipeline.model import NO_COMMIT, RefUpdate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_REFS = 10
MAX_OPTIONS = 20
_OPTIONS = re.compile(
    r"redeploy|expect-downtime|accept-loss|accept-loss=[A-Za-z0-9_][A-Za-z0-9_.$-]{0,199}"
    r"|allow-prune=[A-Za-z][A-Za-z0-9.]{0,99}"
)


def parse_update(line: bytes) -> RefUpdate:
    """Read `old new name`. Raises `BadRef` for anything else."""
    old, _, rest = line.decode("utf-8", "surrogateescape").partition(" ")
    new, _, name = rest.partition(" ")
    if not is_oid(old) or not is_oid(new) or not name:
        raise BadRef(f"this is no ref update: {safe(line, 80)}", code="ref.line")
    return RefUpdate(name, old, new)


def check_updates(updates: Sequence[RefUpdate]) -> None:
    """Refuse too many refs, bad names, a ref twice, a deletion of nothing.

    Raises `BadRef`, `LimitExceeded`.
    """
    if len(updates) > MAX_REFS:
        raise LimitExceeded(f"at most {MAX_REFS} refs in one push", code="push.refs")
    seen: set[str] = set()
    for update in updates:
        check_ref(update.name)
        if update.name in seen:
            raise BadRef(f"{short(update.name)} is in the push twice", code="ref.twice")
        seen.add(update.name)
        if update.new == NO_COMMIT and update.old == NO_COMMIT:
            raise BadRef(f"{short(update.name)} cannot be deleted: it does not exist", code="ref.absent")


def check_twins(updates: Sequence[RefUpdate], existing: Iterable[str]) -> None:
    """Refuse a tag named like a branch, and the reverse: a short name would mean either. Raises `BadRef`."""
    names = {*existing, *(update.name for update in updates)}
    names -= {update.name for update in updates if update.new == NO_COMMIT}
    for update in updates:
        is_branch = update.name.startswith(HEADS)
        name = update.name.removeprefix(HEADS if is_branch else TAGS)
        if update.new != NO_COMMIT and (TAGS if is_branch else HEADS) + name in names:
            raise BadRef(f"{short(update.name)} would be both a branch and a tag", code="ref.twin")


def check_options(options: Sequence[str]) -> None:
    """Refuse push options that nobody reads. Raises `PolicyRefused` with the option escaped."""
    for option in options[: MAX_OPTIONS + 1]:
        if _OPTIONS.fullmatch(option) is None:
            raise PolicyRefused(
                f"the push option {safe(option, 60)!r} is unknown; there are accept-loss[=NAME], redeploy, "
                "expect-downtime and allow-prune=KIND",
                code="push.option",
            )
    if len(options) > MAX_OPTIONS:
        raise LimitExceeded(f"at most {MAX_OPTIONS} push options", code="push.options")


def unusable(error: OSError) -> Unavailable:
    """Say what the remote's machine refuses: a full disk is no bug, and only its operator can mend it."""
    what = error.filename if isinstance(error.filename, str) else "its disk"
    return Unavailable(
        f"the remote cannot use {safe(what, 200)}: {error.strerror or type(error).__name__}",
        code="remote.disk",
        next_command="ask the remote's operator, then push again",
    )
