"""The least that a remote needs in a namespace, as manifests for the cluster's administrator to apply.

No right on secrets, no wildcard, and nothing of the whole cluster unless `policy.clusterScoped` names it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import yaml

from gitops_cli.adapters.kubernetes.objects import Kind
from gitops_cli.adapters.kubernetes.rights import Right
from gitops_cli.config.confinement import CLUSTER_SCOPED
from gitops_cli.targets.kubernetes.rights import needed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitops_cli.config.project import Project
    from gitops_cli.config.remote import KubernetesAt, Policy

_PLURALS = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"}
OWN = "gitops"
"""The namespace of accounts that are in none of an app."""
_GROUP = "rbac.authorization.k8s.io"
_VERSION = f"{_GROUP}/v1"


def kind_named(group: str, kind: str, *, namespaced: bool) -> Kind:
    """Make a kind of which only the name is known: plurals end in s, but for a few."""
    return Kind(group, "", kind, _PLURALS.get(kind, f"{kind.lower()}s"), namespaced)


def manifests(
    environment: str, at: KubernetesAt, policy: Policy, kinds: Iterable[Kind], project: Project
) -> str:
    """Write ServiceAccount, Role and RoleBinding (and the two for the whole cluster, if it must be).

    Where a push may bring the Namespace itself, no Role can stand in it beforehand: then all of it is a
    ClusterRole, and the account is in a namespace of its own.
    """
    kinds = [kind for kind in kinds if kind.namespaced]
    brought = {kind_named(CLUSTER_SCOPED[name], name, namespaced=False) for name in policy.cluster_scoped}
    rights = {*needed({*kinds, *brought}, project, at.namespace)}
    if any((kind.group, kind.kind) == ("", "Service") for kind in kinds):
        rights.add(Right("get", "", "services/proxy", at.namespace))  # for `gitops open`
    apart = "Namespace" in policy.cluster_scoped
    here = sorted(right for right in rights if right.namespace and not apart)
    everywhere = sorted(rights - set(here))
    account = f"gitops-{environment.replace('/', '.')}"
    whole = f"{account}-{at.namespace}"
    metadata = {"name": whole, "namespace": OWN} if apart else {"name": account, "namespace": at.namespace}
    subject = {"kind": "ServiceAccount", **metadata}
    documents: list[dict[str, Any]] = []
    if apart:
        documents.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN}})
    documents.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    if here:
        documents += _role("Role", metadata, _rules(here), subject)
    if everywhere:
        documents += _role("ClusterRole", {"name": whole}, _rules(everywhere), subject)
    texts = [yaml.safe_dump(document, sort_keys=False, width=110) for document in documents]
    return "---\n".join(texts)


def _role(
    kind: str, metadata: dict[str, str], rules: list[dict[str, list[str]]], subject: dict[str, str]
) -> list[dict[str, Any]]:
    """Write a role and give it to the account."""
    role = {"apiVersion": _VERSION, "kind": kind, "metadata": dict(metadata), "rules": rules}
    reference = {"apiGroup": _GROUP, "kind": kind, "name": metadata["name"]}
    binding = {"apiVersion": _VERSION, "kind": f"{kind}Binding", "metadata": dict(metadata)}
    return [role, {**binding, "roleRef": reference, "subjects": [dict(subject)]}]


def _rules(rights: Iterable[Right]) -> list[dict[str, list[str]]]:
    """Put together what has the same verbs in the same group."""
    verbs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for right in rights:
        verbs[right.group, right.resource].append(right.verb)
    rules: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource), allowed in verbs.items():
        rules[group, tuple(sorted(allowed))].append(resource)
    return [
        {"apiGroups": [group], "resources": sorted(resources), "verbs": list(allowed)}
        for (group, allowed), resources in sorted(rules.items())
    ]
