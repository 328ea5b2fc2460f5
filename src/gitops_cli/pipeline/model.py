"""The release model: plain frozen records, as they stand in the journal."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from gitops_cli.adapters.git.update import NO_COMMIT, RefUpdate

__all__ = ["NO_COMMIT", "Finished", "Json", "Kind", "Outcome", "RefUpdate", "Release"]
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Kind = Literal["push", "redeploy", "heal", "follow"]
Outcome = Literal["released", "refused", "undone"]


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered attempt to make an environment equal to a commit."""

    number: int
    id: str
    """Unique for ever, also when a number is used again after a lost disk."""
    environment: str
    commit: str
    tree: str
    previous: str = ""
    """The commit that is live before this release; empty at the first one."""
    refs: tuple[RefUpdate, ...] = ()
    """Every ref of the push, moved in one transaction at the end."""
    ref: str = ""
    """The ref that releases to the environment, also where no push names it; empty in older records."""
    kind: Kind = "push"
    actor: str = ""
    subject: str = ""
    options: tuple[str, ...] = ()
    started: float = 0.0
    """Seconds since 1970 by the wall clock; for people only, nothing is decided by it."""


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How a release ended, as `history` tells it."""

    release: Release
    outcome: Outcome
    seconds: float
    stage: str = ""
    reason: str = ""
    steps: tuple[tuple[str, float, str], ...] = ()
    """Name, seconds and one line of each step that ran."""
