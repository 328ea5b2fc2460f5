"""The plan: what is as it should be costs no request; everything else is asked of the server by a dry run.

One LIST of metadata for each kind, then a dry run of every new, changed or drifted object, many in flight.
Every object that the server or a rule would refuse is named in one answer, before anything is written.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.targets.kubernetes import details, guard, refusals, rights
from gitops_cli.targets.kubernetes.judging import Judge
from gitops_cli.targets.kubernetes.ledger import Row
from gitops_cli.targets.kubernetes.planned import Action, Plan
from gitops_cli.targets.kubernetes.refusals import Problem
from gitops_cli.targets.kubernetes.stages import CRD, NAMESPACE, staged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitops_cli.adapters.kubernetes.objects import Key, Seen
    from gitops_cli.config.remote import KubernetesAt, Policy
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.judging import Verdict
    from gitops_cli.targets.kubernetes.rendering import Rendered
    from gitops_cli.targets.protocol import AppSet


def digest(at: KubernetesAt, policy: Policy, rendered: Sequence[Rendered], options: Sequence[str]) -> str:
    """Name what is to be, where, and what the push allows: a plan for anything else is worth nothing."""
    rows = sorted((*msgspec.structs.astuple(one.key), one.hash) for one in rendered)
    text = msgspec.json.encode([at, policy, sorted(options), rows])
    return hashlib.sha256(text).hexdigest()


def make_plan(
    cluster: Cluster, wanted: AppSet, rendered: Sequence[Rendered], *, healing: bool = False
) -> Plan:
    """Compare with the cluster. Raises `Refused` naming every object that cannot be applied.

    `healing` takes back what others took of the last release; a push never does without being told.
    """
    inventory, ledger = cluster.state.inventory(), cluster.state.ledger()
    serving = inventory.serving.keys if inventory.serving else frozenset()
    rights.refuse_missing(cluster, rendered, wanted.project)
    problems = _unknown(cluster, rendered)
    known = [one for one in rendered if one.key not in problems]
    live = cluster.look(known, wanted.project.name)
    judge = Judge(cluster, live, ledger, serving, wanted.options, healing)
    manager = cluster.at.field_manager
    open_ = [one for one in known if not ledger.as_left(live.get(one.key), one.hash, manager)]
    verdicts = _judged(cluster, judge, open_, live)
    actions = [verdict for verdict in verdicts if isinstance(verdict, Action)]
    names = {one.key for one in rendered}
    gone = inventory.serving.objects if inventory.serving else ()
    removed = tuple(item for item in (*gone, *inventory.leftover) if item.key not in names)
    found = [verdict for verdict in verdicts if isinstance(verdict, Problem)]
    going = [item for item in gone if item.key not in names]  # what is left over was agreed to by its release
    found += guard.check(going, len(serving), cluster.policy.prune, wanted.options)
    refusals.refuse([*problems.values(), *found])
    return Plan(
        commit=wanted.commit,
        basis=inventory.basis,
        digest=digest(cluster.at, cluster.policy, rendered, wanted.options),
        total=len(rendered),
        actions=details.detailed(cluster, actions, rendered, live),
        removed=removed,
        rows=tuple(verdict for verdict in verdicts if isinstance(verdict, Row)),
    )


def _unknown(cluster: Cluster, rendered: Sequence[Rendered]) -> dict[Key, Problem]:
    """Name objects of kinds that the server has not and that this push does not bring, or may not reach."""
    brought = {kind for one in rendered for kind in _brings(one)}
    found: dict[Key, Problem] = {}
    for one in rendered:
        kind = cluster.kind(one)
        if kind is None and (one.api_version, one.key.kind) not in brought:
            cause = f"the cluster has no kind {one.key.kind} in {one.api_version}"
            found[one.key] = refusals.of(one, cause, "kubernetes.no-kind")
        elif kind is not None and not kind.namespaced and one.key.namespace:
            cause = f"{one.key.kind} is a kind of the whole cluster, not of a namespace"
            found[one.key] = refusals.of(one, cause, "kubernetes.cluster-scoped")
    return found


def _brings(one: Rendered) -> list[tuple[str, str]]:
    """Give the kinds that a CustomResourceDefinition makes, as manifests name them."""
    if (one.key.group, one.key.kind) != CRD:
        return []
    spec = one.body.get("spec") or {}
    versions = spec.get("versions") or ()
    return [
        (f"{spec.get('group')}/{version.get('name')}", str((spec.get("names") or {}).get("kind")))
        for version in versions
    ]


def _judged(
    cluster: Cluster, judge: Judge, open_: Sequence[Rendered], live: Mapping[Key, Seen]
) -> list[Verdict]:
    """Ask first about what others wait for; what waits for a part of this push is not asked about."""
    first = [one for one in open_ if (one.key.group, one.key.kind) in (NAMESPACE, CRD)]
    rest = [one for group in staged(open_, lambda one: one.key) for one in group if one not in first]
    verdicts = judge.verdicts(first)
    awaited = _awaited(first, verdicts)
    blind: list[Verdict] = []
    asked = []
    for one in rest:
        waits = awaited.get(one.key.namespace) or awaited.get(f"{one.key.group}/{one.key.kind}") or ""
        if waits or cluster.kind(one) is None:
            seen = live.get(one.key)
            blind.append(
                Action(
                    key=one.key,
                    act="change" if seen else "create",
                    uid=seen.uid if seen else "",
                    blind=waits or "its CustomResourceDefinition",
                )
            )
        else:
            asked.append(one)
    return [*verdicts, *blind, *judge.verdicts(asked)]


def _awaited(first: Sequence[Rendered], verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Name what others have to wait for: a Namespace that is new, a kind whose definition changes."""
    found = {}
    for one, verdict in zip(first, verdicts, strict=True):
        if not isinstance(verdict, Action):
            continue
        if (one.key.group, one.key.kind) == CRD:
            spec = one.body.get("spec") or {}
            name = (spec.get("names") or {}).get("kind")
            found[f"{spec.get('group')}/{name}"] = one.key.title()
        elif verdict.act == "create":
            found[one.key.name] = one.key.title()
    return found
