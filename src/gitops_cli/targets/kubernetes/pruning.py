"""Pruning: after the new set is published, what only older sets named is removed, and nothing else.

Only objects that carry our labels *and* stand in a set of ours, each by its uid. The deletion guard has
judged them in the plan, before anything began.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gitops_cli.errors import GitopsError, Unavailable
from gitops_cli.targets.kubernetes.inventory import Inventory
from gitops_cli.targets.kubernetes.stages import staged

if TYPE_CHECKING:
    from gitops_cli.adapters.kubernetes.objects import Key, Seen
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.inventory import Item


def prune(cluster: Cluster) -> list[str]:
    """Remove what nobody wants any more; say what, a line each.

    Killed anywhere, it is done again. What cannot be removed stays in the inventory for the next time;
    raises the first `GitopsError` of those.
    """
    inventory = cluster.state.inventory()
    doomed = inventory.doomed
    failed: dict[Key, GitopsError] = {}
    said: list[str] = []
    if doomed:
        live = _look(cluster, inventory)
        for stage in staged(doomed, lambda item: item.key, backwards=True):
            present = [item for item in stage if item.key in live]
            answers = cluster.client.together(
                [partial(_delete, cluster, item, live[item.key]) for item in present]
            )
            for item, answer in zip(present, answers, strict=True):
                if isinstance(answer, GitopsError):
                    failed[item.key] = answer
                elif answer:
                    said.append(f"removed {item.key.title()}")
        ledger = cluster.state.ledger()
        ledger.drop(item.key for item in doomed if item.key not in failed)
        cluster.state.save_ledger(ledger)
    left = tuple(item for item in doomed if item.key in failed)
    after = Inventory(serving=inventory.serving, candidate=inventory.candidate, leftover=left)
    if after != inventory:
        cluster.state.save_inventory(after)
    cluster.state.tidy(after)
    if failed:
        key, first = next(iter(failed.items()))
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise Unavailable(
            f"{key.title()}{more} could not be removed: {first.cause}",
            code="kubernetes.prune",
            next_command="gitops recover",
        )
    return said


def _look(cluster: Cluster, inventory: Inventory) -> dict[Key, Seen]:
    """Give what is live of the doomed; an older set may have had the labels of another project's name."""
    projects = {found.project for found in (inventory.parked, inventory.serving) if found is not None}
    live: dict[Key, Seen] = {}
    for project in sorted(projects):
        found = cluster.look(inventory.doomed, project)
        live |= {key: seen for key, seen in found.items() if cluster.is_ours(seen, project)}
    return live


def _delete(cluster: Cluster, item: Item, seen: Seen) -> bool:
    kind = cluster.kind(item)
    return kind is not None and cluster.client.delete(kind, item.key.namespace, item.key.name, uid=seen.uid)
