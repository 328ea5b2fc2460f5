"""The deletion guard: how much, and what, a push may remove from a cluster without saying so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.targets.kubernetes.recreate import HOLDS, allows_prune
from gitops_cli.targets.kubernetes.refusals import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.config.remote import Prune
    from gitops_cli.targets.kubernetes.inventory import Item

_NAMED = 5


def check(removed: Sequence[Item], before: int, limit: Prune, options: Sequence[str]) -> list[Problem]:
    """Name what may not go unasked: what holds others or data, and too many at once of `before` objects."""
    unasked = [item for item in removed if not allows_prune(options, item.key)]
    held = [item for item in unasked if (item.key.group, item.key.kind) in HOLDS]
    problems = [
        Problem(
            cause=f"{item.key.title()} is no longer in the manifests, and would be removed with all it holds",
            code="kubernetes.prune-kind",
            next_command=f"put it back, or push with -o allow-prune={item.key.kind}",
        )
        for item in held
    ]
    if len(unasked) > limit.count and len(unasked) > limit.share * before:
        kinds = sorted({item.key.kind for item in unasked})
        names = ", ".join(item.key.title() for item in unasked[:_NAMED])
        more = f" and {len(unasked) - _NAMED} more" if len(unasked) > _NAMED else ""
        problems.append(
            Problem(
                cause=f"{len(unasked)} of {before} objects would be removed: {names}{more}",
                code="kubernetes.prune-many",
                next_command="push with " + " ".join(f"-o allow-prune={kind}" for kind in kinds),
            )
        )
    return problems
