"""The account of a remote, with the rights that `gitops remote rbac` prints and no others."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import yaml

from gitops_cli import releases
from gitops_cli.adapters.home import Home
from tests.cluster import kubeconfig
from tests.cluster.api import Api
from tests.cluster.parts import wait

if TYPE_CHECKING:
    from pathlib import Path

KUBECONFIG = "kubeconfig"
"""Beside remote.yaml."""
RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ROOTS = {"Namespace": "/api/v1", "ServiceAccount": "/api/v1"}
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"

_REMOTE = """\
version: 1
environments:
  production:
    branch: main
    target: {{kubernetes: {{kubeconfig: "file:kubeconfig", namespace: {namespace}}}}}
    database: none
"""

Document = dict[str, Any]


def printed(home: Home) -> list[Document]:
    """Give what is printed for any project, as remote.yaml stands."""
    return list(yaml.safe_load_all(releases.rbac(home, "", whole=True)))


def grant(admin: Path, home: Home, namespace: str) -> None:
    """Apply it as the cluster's administrator, and write a kubeconfig with a token of the account."""
    api, documents = Api(admin), printed(home)
    for document in documents:
        apply(api, document)
    (account,) = (each["metadata"] for each in documents if each["kind"] == "ServiceAccount")
    path = f"{place({'kind': 'ServiceAccount', 'metadata': account})}/token"
    token = api.post(path, {"spec": {"expirationSeconds": 7200}})["status"]["token"]
    _, cluster, _ = kubeconfig.current(admin)
    file = kubeconfig.write(home.path / KUBECONFIG, cluster, token, namespace)
    rules = [rule for document in documents for rule in document.get("rules", ())]
    until_granted(file, namespace, rules)


def account(admin: Path, folder: Path, namespace: str) -> Path:
    """Make an account for a namespace that no remote is bound to yet; give its kubeconfig."""
    home = Home(folder / "account")
    subprocess.run(["git", "init", "-q", "--bare", str(home.repo)], check=True)
    home.config.write_text(_REMOTE.format(namespace=namespace))
    grant(admin, home, namespace)
    return home.path / KUBECONFIG


def take_away(admin: Path, home: Home, *rights: tuple[str, str]) -> None:
    """Narrow the Role by rights, each a resource and a verb; return when the server no longer grants them."""
    api = Api(admin)
    (role,) = (document for document in printed(home) if document["kind"] == "Role")
    role["rules"] = [
        {**rule, "resources": [resource], "verbs": [v for v in rule["verbs"] if (resource, v) not in rights]}
        for rule in role["rules"]
        for resource in rule["resources"]
    ]
    apply(api, role)
    user = Api(home.path / KUBECONFIG)
    space = role["metadata"]["namespace"]
    wait("the narrower Role", lambda: not any(_may(user, space, *right) for right in rights))


def _may(user: Api, namespace: str, resource: str, verb: str) -> bool:
    asked = {"group": "", "resource": resource, "verb": verb, "namespace": namespace}
    answer = user.post(f"{_AUTHORIZATION}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": asked}})
    return bool(answer["status"]["allowed"])


def until_granted(file: Path, namespace: str, rules: list[Document]) -> None:
    """Wait until the server grants all of it: its view of roles follows a write by some milliseconds."""
    user = Api(file)

    def granted() -> bool:
        answer = user.post(f"{_AUTHORIZATION}/selfsubjectrulesreviews", {"spec": {"namespace": namespace}})
        seen = [_rule(rule) for rule in answer["status"]["resourceRules"]]
        return all(_rule(rule) in seen for rule in rules)

    wait("the roles", granted)


def _rule(rule: Document) -> list[list[str]]:
    return [sorted(rule.get(name) or ()) for name in ("apiGroups", "resources", "verbs")]


def place(document: Document) -> str:
    """Give the path of an object."""
    kind, metadata = document["kind"], document["metadata"]
    where = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{_ROOTS.get(kind, RBAC)}{where}/{kind.lower()}s/{metadata['name']}"


def apply(api: Api, document: Document) -> None:
    """Make an object as it is written."""
    api.ask(
        "PATCH",
        f"{place(document)}?fieldManager=administrator&force=true",
        document,
        "application/apply-patch+yaml",
    )
