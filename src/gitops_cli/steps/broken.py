"""A ref file that a power cut left empty: git then refuses every push with words that name no way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.git import refs
from gitops_cli.adapters.text import safe
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from gitops_cli.steps.surroundings import Surroundings


def refuse_broken_refs(around: Surroundings) -> None:
    """Raise `Unavailable` naming the first damaged ref, with the last commit that a journal knows for it."""
    for name in refs.broken_refs(around.repo):
        known = _last_known(around, name)
        raise Unavailable(
            f"the ref {safe(name)} is damaged: its file holds no object id"
            + (f"; the journal's last commit for it is {known[:12]}" if known else ""),
            code="ref.broken",
            next_command=_mend(around, name, known),
        )


def _last_known(around: Surroundings, name: str) -> str:
    for environment in around.remote.environments.values():
        for finished in around.journal(environment.name).finished():
            for update in finished.release.refs:
                if update.name == name and finished.outcome == "released":
                    return update.new
    return ""


def _mend(around: Surroundings, name: str, known: str) -> str:
    git = f"git -C {around.home.repo}"
    return f"rm {around.home.repo / name} && " + (
        f"{git} update-ref {safe(name)} {known}" if known else "gitops recover"
    )
