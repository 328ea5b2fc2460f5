"""The details of a plan: what changes in each object, field by field, and what was ours before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.errors import Unavailable
from gitops_cli.targets.kubernetes.differences import differences
from gitops_cli.targets.kubernetes.owned import others_part, owned_part
from gitops_cli.targets.kubernetes.planned import Taken

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

    Where nobody touched the object, the last release's text is what is live: that costs no request. Others
    are read, and what is ours of them is kept for `undo`; also what is theirs of whom we take fields from.
    """
    changes = [action for action in actions if action.act != "create"]
    if not changes:
        return tuple(actions)
    wanted = {one.key: one for one in rendered}
    old = _last(cluster)
    ledger, manager = cluster.state.ledger(), cluster.at.field_manager
    known: dict[Key, dict[str, Any]] = {}
    unsure = []
    for action in changes:
        seen, last = live.get(action.key), old.get(action.key)
        if seen and last and not action.losers and ledger.untouched(seen, last.hash, manager):
            known[action.key] = last.body
        else:
            unsure.append(wanted[action.key])
    read = _read(cluster, unsure)
    found = []
    for action in actions:
        body = wanted[action.key].body
        if action.key in read:
            found.append(_looked_at(action, read[action.key], body, manager))
        else:
            found.append(_compared(action, known.get(action.key), body))
    return tuple(found)


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
    return {one.key: answer for one, answer in zip(unsure, answers, strict=True) if answer}


def _looked_at(action: Action, live: dict[str, Any], body: dict[str, Any], manager: str) -> Action:
    before = owned_part(live, manager)
    found = msgspec.structs.replace(_compared(action, before, body), before=before)
    if not action.losers:
        return found
    theirs = {loser: others_part(live, loser) for loser in action.losers}
    whole = others_part(live, manager, *action.losers)
    return msgspec.structs.replace(found, taken=Taken(action.key, theirs, whole))


def _compared(action: Action, was: dict[str, Any] | None, body: dict[str, Any]) -> Action:
    if was is None:
        return action
    return msgspec.structs.replace(action, lines=(*action.lines, *differences(was, body)))
