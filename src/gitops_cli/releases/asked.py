"""The push options of a commit that a branch with `release: following` names.

git tells them while the push lasts, and the release comes after it: in post-receive, or later, by the agent
or `gitops recover`. So they lie beside the ref, for whoever releases the commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.files import private_dir, read_or_none, write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.adapters.home import Home


class _Asked(msgspec.Struct, frozen=True):
    commit: str
    options: tuple[str, ...]


def remember(home: Home, environment: str, commit: str, options: Sequence[str]) -> None:
    """Keep the options of the push that is about to move the branch to `commit`. Raises `OSError`.

    Call it under the lock of the refs, before they move: killed in between, the branch does not name the
    commit, and nobody reads this. Whoever pushes the commit again writes it anew, also without options.
    """
    file = home.asked(environment)
    private_dir(file.parent)
    write_atomic(file, msgspec.json.encode(_Asked(commit, tuple(options))))


def options_of(home: Home, environment: str, commit: str) -> tuple[str, ...]:
    """Give the options that `commit` was pushed with; none when it came some other way."""
    try:
        found = msgspec.json.decode(read_or_none(home.asked(environment)) or b"null", type=_Asked | None)
    except msgspec.MsgspecError:  # not ours
        return ()
    return found.options if found is not None and found.commit == commit else ()
