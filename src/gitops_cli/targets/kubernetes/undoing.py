"""Putting back: the set before is applied again, and what the failed release created is removed.

Works from inventory and cluster alone, from any process, any number of times: nothing that it does depends
on how far the release came. Only objects that the release touched are looked at, and of those only what
differs from before is sent.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters import clock
from gitops_cli.adapters.kubernetes.client import seen_of
from gitops_cli.adapters.kubernetes.problems import ApiProblem
from gitops_cli.errors import Failed, StepTimeout
from gitops_cli.targets.kubernetes import claims, recreate
from gitops_cli.targets.kubernetes.applying import kind_of
from gitops_cli.targets.kubernetes.former import Former
from gitops_cli.targets.kubernetes.stages import CRD, staged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitops_cli.adapters.kubernetes.objects import Key, Seen
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.inventory import Item, SetSpec
    from gitops_cli.targets.kubernetes.ledger import Ledger
    from gitops_cli.targets.kubernetes.rendering import Rendered

GONE_SECONDS = 60.0
"""Until what was created is gone: a Namespace ends only when everything in it has."""
PAUSE = 0.2


def put_back(cluster: Cluster, spec: SetSpec, before: SetSpec | None) -> list[Rendered]:
    """Undo what the release of a set did; give the objects that were applied again. Raises `GitopsError`."""
    touched = spec.touched
    if not touched:
        return []
    live, ledger = cluster.look(touched, spec.project), cluster.state.ledger()
    changed = [item for item in touched if item.act != "create"]
    created = [item for item in touched if item.act == "create"]
    former = Former.of(cluster.state, spec, before) if changed else Former({}, {}, {})
    try:
        restored = _restore(cluster, changed, former, live, ledger)
    except ApiProblem as problem:
        if not problem.is_over_quota:
            raise
        remove(cluster, created, live, spec.project)  # else they stay until what they may serve is back
        live = cluster.look(touched, spec.project)
        restored = _restore(cluster, changed, former, live, ledger)
    remove(cluster, created, live, spec.project)
    ledger.drop(item.key for item in created)
    cluster.state.save_ledger(ledger)
    return restored


def _restore(
    cluster: Cluster,
    changed: Sequence[Item],
    former: Former,
    live: Mapping[Key, Seen],
    ledger: Ledger,
) -> list[Rendered]:
    restored: list[Rendered] = []
    manager = cluster.at.field_manager
    for stage in staged(changed, lambda item: item.key):
        todo = []
        for item in stage:
            one, seen = former.get(item.key), live.get(item.key)
            if one is None:
                raise Failed(f"what {item.key.title()} was before is lost", code="kubernetes.former")
            if not ledger.as_left(seen, one.hash, manager):  # something of the release has reached it
                todo.append(one)
        answers = cluster.all([partial(_put_all, cluster, former, one, live.get(one.key)) for one in todo])
        ledger.add(
            former.row(seen_of(answer), one, manager) for one, answer in zip(todo, answers, strict=True)
        )
        restored += todo
    return restored


def _put_all(cluster: Cluster, former: Former, one: Rendered, seen: Seen | None) -> dict[str, Any]:
    """Put back what the release had taken from others, then what was ours; give the last answer.

    In this order, for a field that nobody owns is removed, and some must be there. Killed between the two:
    the ledger does not know of it yet, so both are done again.
    """
    if (taken := former.taken.get(one.key)) is not None:
        if seen is None or seen.deleting:
            _put(cluster, msgspec.structs.replace(one, body=taken.whole), seen)
            seen = None
        for manager, body in taken.theirs.items():
            _give_back(cluster, one, manager, body)
    return _put(cluster, one, seen)


def _give_back(cluster: Cluster, one: Rendered, manager: str, body: dict[str, Any]) -> None:
    """Apply what another manager owned, as that manager; what is owned by anybody but us is newer."""
    apply = partial(cluster.client.apply, kind_of(cluster, one), one.key.namespace, body, manager=manager)
    try:
        apply()
    except ApiProblem as problem:
        if not problem.conflicts:
            raise
        if {cause.manager for cause in problem.conflicts} == {cluster.at.field_manager}:
            apply(force=True)


def _put(cluster: Cluster, one: Rendered, seen: Seen | None) -> dict[str, Any]:
    """Apply a former object; where the release had created it anew, that is what it takes to go back too.

    Every field of it was ours when the release began: who took one meanwhile does not hold up undoing.
    """
    kind = kind_of(cluster, one)
    if seen is not None and seen.deleting:
        recreate.delete_and_wait(cluster, kind, one.key, seen.uid)
    try:
        return cluster.client.apply(kind, one.key.namespace, one.body, force=True)
    except ApiProblem as problem:
        if seen is None or not recreate.immutable_fields(problem):
            raise
        try:
            cluster.client.create(kind, one.key.namespace, one.body, dry_run=True)
        except ApiProblem as second:
            if not recreate.is_valid(second):
                raise
        return recreate.recreate(cluster, kind, one, seen.uid)


def remove(cluster: Cluster, items: Sequence[Item], live: Mapping[Key, Seen], project: str) -> None:
    """Delete objects that are there and ours, what stands on others first, and wait until they are gone."""
    doomed = [item for item in items if item.key in live]
    made = claims.of_sets(cluster, doomed)
    claims.delete(cluster, made)  # before their sets: killed in between, the sets still tell of them
    for stage in staged(doomed, lambda item: item.key, backwards=True):
        cluster.all([partial(_delete, cluster, item, live[item.key]) for item in stage])
    until = clock.monotonic() + GONE_SECONDS
    while doomed:
        still = cluster.look(doomed, project)
        doomed = [item for item in doomed if (seen := still.get(item.key)) and seen.uid == live[item.key].uid]
        if doomed and clock.monotonic() > until:
            raise StepTimeout(
                f"{doomed[0].key.title()} was deleted {GONE_SECONDS:g} s ago and is still there",
                code="kubernetes.not-gone",
            )
        if doomed:
            clock.pause(PAUSE)
    claims.wait_gone(cluster, made, GONE_SECONDS)
    if any((item.key.group, item.key.kind) == CRD for item in items):
        cluster.client.kinds().refresh()


def _delete(cluster: Cluster, item: Item, seen: Seen) -> bool:
    """Delete exactly the object that was seen: one that took its place meanwhile is somebody else's."""
    kind = cluster.kind(item)
    return kind is not None and cluster.client.delete(kind, item.key.namespace, item.key.name, uid=seen.uid)
