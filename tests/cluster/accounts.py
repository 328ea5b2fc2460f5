"""A user who may do only what a test says: ServiceAccount, roles, and a token that the server gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.cluster import kubeconfig
from tests.cluster.api import Api
from tests.cluster.parts import wait

if TYPE_CHECKING:
    from pathlib import Path

Rules = list[dict[str, Any]]
"""As in a Role: `[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]`."""
RBAC = "rbac.authorization.k8s.io"


def make(admin: Path, path: Path, namespace: str, rules: Rules, everywhere: Rules | None = None) -> Path:
    """Write the kubeconfig of a new account in a namespace; `everywhere` are rules of a ClusterRole.

    Returns when the server grants the first rule: its view of roles follows a write by some milliseconds.
    """
    api = Api(admin)
    name = f"user-{uuid4().hex[:8]}"
    account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    bind(api, account, rules, f"namespaces/{namespace}/", "Role")
    if everywhere:
        bind(api, account, everywhere, "", "ClusterRole")
    wanted = {"spec": {"expirationSeconds": 7200}}
    answer = api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", wanted)
    _, cluster, _ = kubeconfig.current(admin)
    kubeconfig.write(path, cluster, answer["status"]["token"], namespace)
    user = Api(path)
    first = [(namespace, rule) for rule in rules[:1]] + [("", rule) for rule in (everywhere or [])[:1]]
    wait("the roles", lambda: all(_granted(user, where, rule) for where, rule in first))
    return path


def bind(api: Api, account: dict[str, str], rules: Rules, where: str, kind: str) -> None:
    """Make a role and give it to an account; both have the account's name."""
    name = account["name"]
    root = f"/apis/{RBAC}/v1/{where}{kind.lower()}"
    reference = {"apiGroup": RBAC, "kind": kind, "name": name}
    api.post(f"{root}s", {"metadata": {"name": name}, "rules": rules})
    api.post(f"{root}bindings", {"metadata": {"name": name}, "roleRef": reference, "subjects": [account]})


def _granted(user: Api, namespace: str, rule: dict[str, Any]) -> bool:
    resource, _, subresource = rule["resources"][0].partition("/")
    asked = {
        "group": rule["apiGroups"][0],
        "resource": resource,
        "subresource": subresource,
        "verb": rule["verbs"][0],
        "namespace": namespace,
        "name": rule.get("resourceNames", [""])[0],
    }
    review = user.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {"resourceAttributes": asked}}
    )
    return bool(review["status"]["allowed"])
