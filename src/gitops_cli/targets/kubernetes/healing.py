"""Healing: what runs is made equal to what was released, and who changed it is said by name.

The plan of a release serves here too; what it names as an action is drift. Killed anywhere, the inventory
tells as after a release: the next heal begins again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.errors import GitopsError
from gitops_cli.targets.kubernetes.drift import drifted
from gitops_cli.targets.kubernetes.fights import MINUTES, TIMES, Fights
from gitops_cli.targets.kubernetes.planned import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.planned import Action
    from gitops_cli.targets.kubernetes.rendering import Rendered


class Healing(msgspec.Struct, frozen=True):
    """What one heal does, and what is said of it."""

    plan: Plan
    """Without the objects that are left alone."""
    said: tuple[str, ...]


def healing(cluster: Cluster, plan: Plan, rendered: Sequence[Rendered], *, insist: bool) -> Healing:
    """Decide what is healed. `insist`: an operator asked, so objects that are fought over are healed too."""
    fights = Fights(cluster.state)
    if insist:
        fights.settle()
    actions = tuple(action for action in plan.actions if not fights.is_frozen(action.key))
    said = tuple(report(cluster, actions, rendered)) if actions else ()
    return Healing(msgspec.structs.replace(plan, actions=actions), said)


def report(cluster: Cluster, actions: Sequence[Action], rendered: Sequence[Rendered]) -> list[str]:
    """Say, a line for each object, what others did to it.

    `drift: ConfigMap a: data.x: "2" -> "1" by kubectl-edit at 2026-01-01T00:00:00Z`
    """
    wanted = {one.key: one for one in rendered}
    calls = [
        partial(cluster.client.get, cluster.need(wanted[action.key]), action.key.namespace, action.key.name)
        for action in actions
        if action.act != "create"
    ]
    live = dict(
        zip((a.key for a in actions if a.act != "create"), cluster.client.together(calls), strict=True)
    )
    told = []
    for action in actions:
        body = live.get(action.key)
        found = drifted(
            action,
            wanted[action.key].body,
            None if isinstance(body, GitopsError) else body,
            cluster.at.field_manager,
        )
        told.append(f"drift: {found.key.title()}: {found.what}")
    return told


def count(cluster: Cluster, actions: Sequence[Action]) -> list[str]:
    """Count the heals that were done; say which objects are left alone from now on."""
    fights = Fights(cluster.state)
    stopped = fights.healed(action.key for action in actions)
    fights.save()
    return [
        f"{key.title()} was changed by somebody else {TIMES} times in {MINUTES} minutes: from now on "
        "it is left alone (next: find out who changes it, then gitops recover)"
        for key in stopped
    ]
