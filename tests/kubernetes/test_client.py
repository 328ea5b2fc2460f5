"""Reading and writing on a real API server."""

from __future__ import annotations

import json
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.adapters.kubernetes import reading
from gitops_cli.adapters.kubernetes.problems import ApiProblem
from gitops_cli.adapters.kubernetes.reading import seen_of
from gitops_cli.targets.kubernetes import recreate
from tests.kubernetes.bodies import config_map, deployment, service

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.adapters.kubernetes.client import Client
    from gitops_cli.adapters.kubernetes.objects import Kind
    from tests.kubernetes.conftest import MakeClient

pytestmark = pytest.mark.cluster


def kind(client: Client, api_version: str, name: str) -> Kind:
    found = client.kinds().find(api_version, name)
    assert found
    return found


def problem_of(call: Callable[[], object]) -> ApiProblem:
    with pytest.raises(ApiProblem) as caught:
        call()
    return caught.value


def test_a_list_of_metadata_tells_the_same_as_the_answers_of_apply(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    answers = [client.apply(config_maps, namespace, config_map(f"c{number}")) for number in range(3)]
    listed = client.list_seen(config_maps, namespace, selector="gitops-cli/app=shop")
    assert listed == [seen_of(answer) for answer in answers]
    ours = listed[0].ours("gitops")
    assert ours
    assert (ours.operation, len(ours.fields)) == ("Apply", 64)
    assert listed[0].labels["gitops-cli/app"] == "shop"
    assert listed[0].annotations["gitops-cli/hash"] == "1".zfill(32)


def test_what_an_entry_says_changes_with_our_fields_and_with_nothing_else(
    make_client: MakeClient, config_maps: Kind, namespace: str
) -> None:
    ours, other = make_client(), make_client(manager="somebody")
    before = seen_of(ours.apply(config_maps, namespace, config_map("c"))).ours("gitops")
    beside = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c"},
        "data": {"beside": "x"},
    }
    after = seen_of(other.apply(config_maps, namespace, beside)).ours("gitops")
    assert before == after
    taken = seen_of(other.apply(config_maps, namespace, config_map("c", "2"), force=True)).ours("gitops")
    assert taken != before


def test_applying_the_same_again_changes_nothing(client: Client, config_maps: Kind, namespace: str) -> None:
    first = client.apply(config_maps, namespace, config_map("c"))
    assert client.apply(config_maps, namespace, config_map("c")) == first


def test_a_dry_run_answers_and_writes_nothing(client: Client, config_maps: Kind, namespace: str) -> None:
    answer = client.apply(config_maps, namespace, config_map("c"), dry_run=True)
    assert answer["data"] == {"key": "1"}
    assert client.get(config_maps, namespace, "c") is None


def test_a_list_comes_in_chunks(
    client: Client, config_maps: Kind, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"c{number}" for number in range(5)]
    client.together(partial(client.apply, config_maps, namespace, config_map(name)) for name in names)
    monkeypatch.setattr(reading, "CHUNK", 2)
    before = client.sent
    seen = client.list_seen(config_maps, namespace, selector="gitops-cli/app=shop")
    assert [one.key.name for one in seen] == names
    assert client.sent - before == 3
    bodies, version = client.list_full(config_maps, namespace, selector="gitops-cli/app=shop")
    assert [body["metadata"]["name"] for body in bodies] == names
    assert {(body["apiVersion"], body["kind"]) for body in bodies} == {("v1", "ConfigMap")}
    assert version


def test_the_server_counts_as_many_requests_as_we_do(
    client: Client, config_maps: Kind, namespace: str, audit: Callable[..., Any]
) -> None:
    with audit(namespace) as seen:
        before = client.sent
        client.together(
            partial(client.apply, config_maps, namespace, config_map(f"c{number}")) for number in range(40)
        )
        client.list_seen(config_maps, namespace)
        assert client.sent - before == 41
    assert seen.count(agent="gitops/") == 41
    assert seen.count(agent="gitops/", verb="list") == 1


def test_sixteen_connections_are_kept_and_used_again(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    calls = [
        partial(client.apply, config_maps, namespace, config_map(f"c{number}", dry)) for dry in "12"
        for number in range(100)
    ]  # fmt: skip
    assert not [answer for answer in client.together(calls) if isinstance(answer, Exception)]
    assert client.wire._pool.inner.num_connections <= 17  # one before them, for discovery


def test_many_calls_answer_in_their_order_with_their_own_errors(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    bad = config_map("Bad_Name")
    answers = client.together(
        partial(client.apply, config_maps, namespace, body)
        for body in (config_map("a"), bad, config_map("b"))
    )
    first, second, third = answers
    assert isinstance(second, ApiProblem)
    assert second.is_invalid
    assert not isinstance(first, Exception)
    assert not isinstance(third, Exception)
    assert (first["metadata"]["name"], third["metadata"]["name"]) == ("a", "b")


def test_an_object_is_deleted_once_and_only_the_one_that_is_meant(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    uid = client.apply(config_maps, namespace, config_map("c"))["metadata"]["uid"]
    assert client.delete(config_maps, namespace, "c", uid=uid, dry_run=True)
    assert client.get(config_maps, namespace, "c")
    assert client.delete(config_maps, namespace, "c", uid=uid)
    assert not client.delete(config_maps, namespace, "c", uid=uid)
    client.apply(config_maps, namespace, config_map("c"))
    assert not client.delete(config_maps, namespace, "c", uid=uid)
    assert client.get(config_maps, namespace, "c")


def test_create_tells_ours_from_somebody_elses(client: Client, config_maps: Kind, namespace: str) -> None:
    release = {"gitops-cli/release": "7"}
    made = client.create(config_maps, namespace, config_map("job", **release))
    assert client.create(config_maps, namespace, config_map("job", **release)) == made
    again = partial(client.create, config_maps, namespace)
    assert problem_of(partial(again, config_map("job", **{"gitops-cli/release": "8"}))).is_exists
    assert problem_of(partial(again, config_map("job", **release), dry_run=True)).is_exists
    client.create(config_maps, namespace, config_map("plain"))
    assert problem_of(partial(again, config_map("plain"))).code == "kubernetes.exists"


@pytest.mark.row(81)
def test_a_conflict_names_every_field_and_its_manager(
    make_client: MakeClient, config_maps: Kind, namespace: str
) -> None:
    make_client(manager="somebody").apply(config_maps, namespace, config_map("c"))
    problem = problem_of(partial(make_client().apply, config_maps, namespace, config_map("c", "2")))
    assert problem.is_conflict
    assert {(cause.field, cause.manager) for cause in problem.conflicts} >= {(".data.key", "somebody")}
    assert problem.code == "kubernetes.conflict"
    assert problem.cause.startswith("ConfigMap c: ")
    assert ".data.key belongs to somebody" in problem.cause


def test_an_invalid_object_names_the_field(client: Client, namespace: str) -> None:
    services = kind(client, "v1", "Service")
    problem = problem_of(partial(client.apply, services, namespace, service("web", 99999)))
    assert (problem.status, problem.code) == (422, "kubernetes.invalid")
    assert "spec.ports[0].port" in [cause.field for cause in problem.causes]
    assert problem.cause.startswith('Service "web" is invalid: ')
    assert not recreate.immutable_fields(problem)


def test_a_field_that_the_kind_does_not_have_is_refused(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    problem = problem_of(partial(client.apply, config_maps, namespace, config_map("c") | {"date": {}}))
    assert '"date"' in problem.cause or ".date" in problem.cause
    assert client.get(config_maps, namespace, "c") is None


def _with(body: dict[str, Any], *path: str, value: object) -> dict[str, Any]:
    """Give a copy with one value set."""
    copied = json.loads(json.dumps(body))
    inner = copied
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = value
    return copied  # type: ignore[no-any-return]  # JSON has no types


def _workload(api_version: str, kind: str, **spec: Any) -> dict[str, Any]:
    return (
        deployment("web")
        | {"apiVersion": api_version, "kind": kind}
        | {"spec": deployment("web")["spec"] | spec}
    )


JOB = _workload("batch/v1", "Job")
JOB["spec"] = {
    "template": _with(deployment("web")["spec"]["template"], "spec", "restartPolicy", value="Never")
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
RBAC = "rbac.authorization.k8s.io"
BINDING = {
    "apiVersion": f"{RBAC}/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "web"},
    "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "one"},
}
FIXED = config_map("fixed") | {"immutable": True}


@pytest.mark.parametrize(
    ("before", "path", "value"),
    [
        (deployment("web"), ("spec", "selector", "matchLabels", "more"), "x"),
        (_workload("apps/v1", "StatefulSet", serviceName="one"), ("spec", "serviceName"), "two"),
        (_workload("apps/v1", "DaemonSet"), ("spec", "selector", "matchLabels", "more"), "x"),
        (JOB, ("spec", "template", "metadata", "labels", "more"), "x"),
        (CLAIM, ("spec", "accessModes"), ["ReadWriteMany"]),
        (BINDING, ("roleRef", "name"), "two"),
        (FIXED, ("data", "key"), "2"),
        (service("web"), ("spec", "clusterIP"), "10.96.0.77"),
    ],
    ids=["Deployment", "StatefulSet", "DaemonSet", "Job", "PVC", "RoleBinding", "ConfigMap", "Service"],
)
def test_an_immutable_field_is_known_by_its_cause_and_a_valid_replacement_by_its_name(
    client: Client, namespace: str, before: dict[str, Any], path: tuple[str, ...], value: object
) -> None:
    of = kind(client, before["apiVersion"], before["kind"])
    client.apply(of, namespace, before)
    after = _with(before, *path, value=value)
    if path[-1] == "more" and path[1] == "selector":  # a selector and its template change together
        after = _with(after, "spec", "template", "metadata", "labels", "more", value=value)
    problem = problem_of(partial(client.apply, of, namespace, after, dry_run=True))
    assert recreate.immutable_fields(problem), problem.causes
    assert problem_of(partial(client.create, of, namespace, after, dry_run=True)).is_exists


def test_an_invalid_replacement_is_told_as_invalid(client: Client, namespace: str) -> None:
    deployments = kind(client, "apps/v1", "Deployment")
    client.apply(deployments, namespace, deployment("web"))
    after = _with(deployment("web"), "spec", "selector", "matchLabels", "more", value="x")
    assert problem_of(partial(client.create, deployments, namespace, after, dry_run=True)).is_invalid


@pytest.mark.row(84)
def test_a_namespace_that_is_missing_or_ends_is_told(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    missing = problem_of(partial(client.apply, config_maps, "not-there", config_map("c")))
    assert missing.is_missing
    assert "not-there" in missing.cause
    namespaces = kind(client, "v1", "Namespace")
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.org/held"]
    client.apply(config_maps, namespace, held)
    client.delete(namespaces, "", namespace)
    try:
        ending = problem_of(partial(client.apply, config_maps, namespace, config_map("new")))
        assert ending.is_terminating
        assert "being terminated" in ending.cause
    finally:
        client.apply(config_maps, namespace, config_map("held"))


def test_a_service_with_nothing_behind_it_does_not_answer(client: Client, namespace: str) -> None:
    services = kind(client, "v1", "Service")
    client.apply(services, namespace, service("web"))
    said = ""
    while "no endpoints" not in said:  # for a moment the server itself does not know the Service
        status, said = client.service_answers(namespace, "web", 80, "/a path?and=more", timeout=10)
        assert status == 0
        assert "no endpoints" in said or "not found" in said


def test_the_log_of_a_pod_that_never_started_is_a_problem(client: Client, namespace: str) -> None:
    pods = kind(client, "v1", "Pod")
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "waits"},
        "spec": deployment("x")["spec"]["template"]["spec"],
    }
    client.create(pods, namespace, body)
    assert problem_of(lambda: list(client.logs(namespace, "other"))).is_missing
    # without a node the pod is not assigned yet: nothing to say, and no error
    assert list(client.logs(namespace, "waits")) == []


def test_calls_that_were_interrupted_are_finished_before_the_interruption_goes_on(
    client: Client, config_maps: Kind, namespace: str
) -> None:
    """What raises in the main thread (`Stopped`) finds nothing in flight afterwards, and most not begun."""

    class Interrupted(Exception):
        pass

    begun: list[int] = []
    ended: list[int] = []
    running = threading.Semaphore(0)
    waiting = threading.get_ident()

    def call(number: int) -> int:
        begun.append(number)
        client.apply(config_maps, namespace, config_map(f"c{number}"))
        running.release()
        ended.append(number)
        return number

    def interrupt(*_: object) -> None:
        raise Interrupted

    def once_running() -> None:
        running.acquire()
        signal.pthread_kill(waiting, signal.SIGUSR1)  # as the kernel does; raised here it would end no wait

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        watcher = threading.Thread(target=once_running)
        watcher.start()
        with pytest.raises(Interrupted):
            client.together(partial(call, number) for number in range(2000))
        watcher.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(ended) == len(begun) < 2000
    listed = client.list_seen(config_maps, namespace, selector="gitops-cli/app=shop")
    assert len(listed) == len(begun)
