"""What a credential may do, told before and when it is refused."""

from __future__ import annotations

import itertools
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.adapters.kubernetes.problems import ApiProblem
from gitops_cli.adapters.kubernetes.rights import Right, missing_rights
from tests.kubernetes.bodies import config_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.adapters.kubernetes.objects import Kind
    from tests.cluster.fixtures import Unprivileged
    from tests.cluster.given import Cluster
    from tests.kubernetes.conftest import MakeClient

pytestmark = pytest.mark.cluster


def rule(resource: str, *verbs: str, group: str = "", **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)} | more


def test_what_is_missing_is_told_by_one_review(
    make_client: MakeClient, unprivileged: Unprivileged, namespace: str, audit: Callable[..., Any]
) -> None:
    rules = [
        rule("configmaps", "get", "list", "patch"),
        rule("services", "patch", resourceNames=["web"]),
        rule("pods/log", "get"),
    ]
    client = make_client(unprivileged(namespace, rules))
    have = [Right(verb, "", "configmaps", namespace) for verb in ("get", "list", "patch")]
    have.append(Right("get", "", "pods/log", namespace))
    not_have = [
        Right("delete", "", "configmaps", namespace),
        Right("get", "", "pods", namespace),
        Right("patch", "", "services", namespace),  # for one name only
        Right("patch", "apps", "deployments", namespace),
    ]
    with audit() as seen:
        assert missing_rights(client, [*have, *not_have]) == not_have
    user = f"system:serviceaccount:{namespace}:"  # other tests ask meanwhile
    assert seen.count(user=user) == 1
    assert seen.count(user=user, resource="selfsubjectrulesreviews") == 1


def test_what_was_granted_is_asked_for_once_and_what_was_not_again(
    make_client: MakeClient, unprivileged: Unprivileged, namespace: str
) -> None:
    client = make_client(unprivileged(namespace, [rule("configmaps", "get")]))
    right, wrong = Right("get", "", "configmaps", namespace), Right("list", "", "configmaps", namespace)
    assert missing_rights(client, [right]) == []
    assert client.sent == 1
    assert missing_rights(client, [right]) == []
    assert client.sent == 1
    assert missing_rights(client, [right, wrong]) == [wrong]
    assert missing_rights(client, [right, wrong]) == [wrong]
    assert client.sent == 3
    assert stat.S_IMODE((client.state / "rights.json").stat().st_mode) == 0o600


def test_what_one_credential_may_says_nothing_of_another(
    make_client: MakeClient, unprivileged: Unprivileged, namespace: str
) -> None:
    mighty, weak = make_client(), make_client(unprivileged(namespace, [rule("configmaps", "get")]))
    right = Right("patch", "", "configmaps", namespace)
    assert missing_rights(mighty, [right]) == []
    weak.state.joinpath("rights.json").write_bytes((mighty.state / "rights.json").read_bytes())
    assert missing_rights(weak, [right]) == [right]


def test_rights_in_the_whole_cluster_are_not_taken_from_a_role(
    make_client: MakeClient, unprivileged: Unprivileged, namespace: str
) -> None:
    rules = [rule("namespaces", "get", "patch")]
    right = Right("patch", "", "namespaces")
    assert missing_rights(make_client(unprivileged(namespace, rules)), [right]) == [right]
    assert missing_rights(make_client(unprivileged(namespace, rules, rules)), [right]) == []


@pytest.mark.row(77, 84)
def test_a_missing_verb_is_one_sentence_with_the_rule_to_add(
    make_client: MakeClient, unprivileged: Unprivileged, config_maps: Kind, namespace: str
) -> None:
    client = make_client(unprivileged(namespace, [rule("configmaps", "get")]))
    before = client.sent
    with pytest.raises(ApiProblem) as caught:
        client.apply(config_maps, namespace, config_map("c"))
    problem = caught.value
    assert client.sent - before == 1
    assert (problem.status, problem.code) == (403, "kubernetes.right")
    assert problem.denied == Right("patch", "", "configmaps", namespace)
    assert problem.cause == (
        f"the credential may not patch configmaps in {namespace};"
        ' add to its Role: {apiGroups: [""], resources: [configmaps], verbs: [patch]}'
    )
    assert client.access.token.removeprefix("Bearer ") not in str(problem)


@pytest.mark.row(84)
def test_a_role_that_is_narrowed_on_the_way_is_told_by_verb_and_kind(
    make_client: MakeClient,
    unprivileged: Unprivileged,
    control_plane: Cluster,
    config_maps: Kind,
    namespace: str,
) -> None:
    client = make_client(unprivileged(namespace, [rule("configmaps", "patch", "create")]))
    client.apply(config_maps, namespace, config_map("c"))
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
    for role in control_plane.api.get(roles)["items"]:
        control_plane.api.delete(f"{roles}/{role['metadata']['name']}")
    problem = None
    while problem is None:  # the server's view of roles follows by some milliseconds
        try:
            client.apply(config_maps, namespace, config_map("c", "2"))
        except ApiProblem as refused:
            problem = refused
    assert problem.denied == Right("patch", "", "configmaps", namespace)


def test_a_quota_is_no_missing_verb(
    make_client: MakeClient, control_plane: Cluster, config_maps: Kind, namespace: str
) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"configmaps": "1"}},
    }
    control_plane.api.post(f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    client = make_client()
    problem = None
    end = time.monotonic() + 60
    for number in itertools.count():  # the server learns of a new quota in its own time
        try:
            client.apply(config_maps, namespace, config_map(f"c{number}"))
        except ApiProblem as refused:
            problem = refused
            break
        assert time.monotonic() < end
    assert problem
    assert problem.denied is None
    assert problem.code == "kubernetes.admission"
    assert "exceeded quota: few" in problem.cause or "status unknown for quota: few" in problem.cause
    assert missing_rights(client, [Right("patch", "", "configmaps", namespace)]) == []
