"""What is read from the objects of a set: its images, its URLs, what rolls; and the set itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.config.pods import pods
from gitops_cli.targets.kubernetes.inventory import Item, SetSpec
from gitops_cli.targets.kubernetes.rendering import HASH, Rendered, sealed
from gitops_cli.targets.kubernetes.state import Bodies

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from gitops_cli.adapters.kubernetes.objects import Key
    from gitops_cli.config.workloads import Manifest, Manifests
    from gitops_cli.targets.kubernetes.planned import Plan
    from gitops_cli.targets.protocol import AppSet


def candidate(key: str, wanted: AppSet, rendered: Sequence[Rendered], plan: Plan) -> tuple[SetSpec, Bodies]:
    """Make the set of a release, with what is done to each object, and everything that undoing needs."""
    acts = {action.key: action for action in plan.actions}
    items = []
    for one in rendered:
        item = Item(key=one.key, api_version=one.api_version, hash=one.hash)
        if (action := acts.get(one.key)) is not None:
            item = msgspec.structs.replace(item, act=action.act, uid=action.uid)
        items.append(item)
    spec = SetSpec(
        key=key,
        release=wanted.release,
        commit=wanted.commit,
        tree=wanted.tree,
        project=wanted.project.name,
        objects=tuple(items),
        urls=urls(rendered),
    )
    before = tuple(sealed_again(action.key, action.before) for action in plan.actions if action.before)
    taken = tuple(action.taken for action in plan.actions if action.taken is not None)
    return spec, Bodies(objects=tuple(rendered), before=before, taken=taken)


def sealed_again(key: Key, body: dict[str, Any]) -> Rendered:
    """Give what was ours of a live object as one to apply; its own hash stands in it already, or none."""
    one = sealed(key, {**body, "metadata": dict(body["metadata"])})
    told = (body["metadata"].get("annotations") or {}).get(HASH)
    return msgspec.structs.replace(one, body=body, hash=told or one.hash)


def images(rendered: Sequence[Rendered]) -> set[str]:
    """Name every image."""
    return {
        str(container.get("image"))
        for one in rendered
        for pod in pods(one.body)
        for _, container in pod.containers()
    }


def urls(rendered: Sequence[Rendered]) -> dict[str, str]:
    """Give a URL for each Service that an Ingress leads to."""
    found: dict[str, str] = {}
    for one in rendered:
        if (one.key.group, one.key.kind) != ("networking.k8s.io", "Ingress"):
            continue
        spec = one.body.get("spec") or {}
        secure = {host for entry in spec.get("tls") or () for host in entry.get("hosts") or ()}
        for rule in spec.get("rules") or ():
            for path in (rule.get("http") or {}).get("paths") or ():
                name = ((path.get("backend") or {}).get("service") or {}).get("name")
                if name and rule.get("host"):
                    scheme = "https" if rule["host"] in secure else "http"
                    found.setdefault(str(name), f"{scheme}://{rule['host']}{path.get('path') or '/'}")
    return found


def rolling(manifests: Manifests, serving: AbstractSet[Key]) -> list[str]:
    """Name the workloads of which old and new pods serve side by side, of those that serve already."""
    known = {(key.kind, key.name) for key in serving}
    return [
        f"{found.kind} {found.name}"
        for found in manifests.all
        if (found.kind, found.name) in known and _rolls(found)
    ]


def _rolls(found: Manifest) -> bool:
    spec = found.raw.get("spec") or {}
    match found.api_version, found.kind:
        case "apps/v1", "Deployment":
            return bool((spec.get("strategy") or {}).get("type") != "Recreate")
        case "apps/v1", "DaemonSet":  # one node after the other
            return True
        case (
            "apps/v1",
            "StatefulSet",
        ):  # a single pod is gone before the new one starts
            return bool(spec.get("replicas", 1) > 1)
    return False
