"""How an environment stands: what was released, what runs, how far its branch is ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import records
from gitops_cli.adapters.records import Released
from gitops_cli.errors import GitopsError
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.steps.surroundings import allowed_level
from gitops_cli.targets.protocol import Live

if TYPE_CHECKING:
    from gitops_cli.config.remote import Environment
    from gitops_cli.steps.surroundings import Surroundings


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One environment, as `gitops status` shows it."""

    name: str
    branch: str
    target: str
    mode: str
    """`pushing` or `following`."""
    tip: str
    """What the branch names; empty when it does not exist yet."""
    released: Released
    ahead: int
    """Commits of the branch that are not released."""
    live: Live
    open_release: int
    """Number of a release that runs now or was cut off; 0 for none."""
    sandbox: str
    freeze: str = ""
    """Why remote.yaml refuses every release; empty: it does not."""
    gone: bool = False
    """remote.yaml no longer has it, and something of it still runs or is open."""


def standing(around: Surroundings, environment: Environment, *, ask: bool = False) -> Standing:
    """Look, without a lock and without changing anything."""
    live = records.released(around.repo, environment.name)
    tip = around.repo.resolve(environment.ref)
    found = around.journal(environment.name).open_release()
    context = around.context(environment, SILENT)
    running = context.target.live(ask=ask)
    if running.commit != live.commit and live.commit and context.serves(live.tree):
        running = msgspec.structs.replace(running, commit=live.commit)  # a push that changed nothing
    return Standing(
        name=environment.name,
        branch=environment.branch,
        target=environment.target_name,
        mode=environment.release,
        tip=tip,
        released=live,
        ahead=around.repo.count(live.commit, tip) if tip else 0,
        live=running,
        open_release=found.number if found else 0,
        sandbox=_sandbox(around),
        freeze=environment.policy.freeze,
    )


def _sandbox(around: Surroundings) -> str:
    try:
        level = str(allowed_level(around.remote).value)
    except GitopsError as error:
        return error.cause
    reason = around.remote.sandbox_reason if level == "none" else ""
    return f"{level} ({reason})" if reason else level
