"""The details of a plan: what changes in each object, field by field, and what was ours before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.errors import Unavailable
from gitops_cli.targets.kubernetes.differences import differences
from gitops_cli.targets.kubernetes.owned import owned_part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitops_cli.adapters.kubernetes.objects import Key, Seen
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.planned import Action
    from gitops_cli.targets.kubernetes.rendering import Rendered


def detailed(
    cluster: Cluster, actions: Sequence[Action], rendered: Sequence[Rendered], live: Mapping[Key, Seen]
) -> tuple[Action, ...]:
    """Add the lines to every change.

    Where nobody touched the object, the last release's text is what is live: that costs no request. Of
    others the live object is read, and if no set of ours names it, what is ours of it is kept for `undo`.
    """
    changes = [action for action in actions if action.act != "create"]
    if not changes:
        return tuple(actions)
    wanted = {one.key: one for one in rendered}
    old = _last(cluster)
    ledger, manager = cluster.state.ledger(), cluster.at.field_manager
    before: dict[Key, dict[str, Any]] = {}
    unsure = []
    for action in changes:
        seen, last = live.get(action.key), old.get(action.key)
        if seen and last and ledger.untouched(seen, last.hash, manager):
            before[action.key] = last.body
        else:
            unsure.append(wanted[action.key])
    before |= _read(cluster, unsure)
    return tuple(_with(action, wanted[action.key], before, old) for action in actions)


def _last(cluster: Cluster) -> dict[Key, Rendered]:
    """Give the last release's objects; none when they are lost: then what is live is kept (`before`)."""
    serving = cluster.state.inventory().serving
    if serving is None:
        return {}
    try:
        return {one.key: one for one in cluster.state.bodies(serving.key).objects}
    except Unavailable:
        return {}


def _read(cluster: Cluster, unsure: Sequence[Rendered]) -> dict[Key, dict[str, Any]]:
    calls = [
        partial(cluster.client.get, cluster.need(one), one.key.namespace, one.key.name) for one in unsure
    ]
    answers = cluster.all(calls) if calls else []
    manager = cluster.at.field_manager
    return {
        one.key: owned_part(answer, manager) for one, answer in zip(unsure, answers, strict=True) if answer
    }


def _with(
    action: Action, one: Rendered, before: Mapping[Key, dict[str, Any]], old: Mapping[Key, Rendered]
) -> Action:
    was = before.get(action.key)
    if was is None:
        return action
    lines = (*action.lines, *differences(was, one.body))
    kept = {} if action.key in old else was
    return msgspec.structs.replace(action, lines=lines, before=kept)
