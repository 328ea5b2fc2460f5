"""Parts of planning and undoing that need no server: differences, what is ours, the guard, the order."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_cli.adapters.kubernetes.objects import Key, Managed, Seen
from gitops_cli.adapters.kubernetes.problems import ApiProblem, Cause
from gitops_cli.config.manifests import Reader
from gitops_cli.config.remote import Prune
from gitops_cli.targets.kubernetes import guard, recreate, sets
from gitops_cli.targets.kubernetes.differences import MOST, differences
from gitops_cli.targets.kubernetes.inventory import Inventory, Item, SetSpec
from gitops_cli.targets.kubernetes.ledger import Ledger, row_of
from gitops_cli.targets.kubernetes.owned import others_part, owned_part
from gitops_cli.targets.kubernetes.planned import SHOWN, Action, Plan
from gitops_cli.targets.kubernetes.rendering import Rendered
from gitops_cli.targets.kubernetes.stages import staged


def key(kind: str, name: str = "x", group: str = "") -> Key:
    return Key(group, kind, "shop", name)


def item(kind: str, name: str = "x", group: str = "") -> Item:
    return Item(key=key(kind, name, group), api_version="v1", hash="h")


def container(**more: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "web", **more}]}}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"a": 1}, {"a": 1}, ()),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ("a.b: 1 -> 2",)),
        ({"a": "x"}, {}, ('a: "x" (removed)',)),
        ({}, {"a": ["x"]}, ('a: ["x"] (added)',)),
        (container(image="a"), container(image="b"), ('spec.containers[web].image: "a" -> "b"',)),
        ({"l": [1, 2]}, {"l": [1, 3]}, ("l[1]: 2 -> 3",)),
        ({"metadata": {"annotations": {"gitops-cli/hash": "1"}}}, {"metadata": {"annotations": {}}}, ()),
    ],
)
def test_differences(before: dict[str, Any], after: dict[str, Any], said: tuple[str, ...]) -> None:
    assert differences(before, after) == said


def test_no_secret_value_is_shown() -> None:
    old = {"kind": "Secret", "data": {"key": "b2xk"}, "stringData": {"gone": "hush"}}
    new = {"kind": "Secret", "data": {"key": "bmV3"}, "metadata": {"name": "x"}}
    told = "\n".join(differences(old, new))
    assert "data.key: changed (not shown)" in told
    assert not [value for value in ("b2xk", "bmV3", "hush") if value in told]
    env = container(env=[{"name": "A", "value": "old"}])
    told = "\n".join(
        differences(env, container(env=[{"name": "A", "value": "new"}, {"name": "B", "value": "hush"}]))
    )
    assert "spec.containers[web].env[A].value: changed (not shown)" in told
    assert not [value for value in ('"old"', '"new"', "hush") if value in told]
    assert "hush" not in "\n".join(differences({}, container(env=[{"name": "B", "value": "hush"}])))


def test_differences_are_bounded() -> None:
    told = differences({}, {f"k{number}": number for number in range(100)})
    assert len(told) == MOST
    assert told[-1] == f"and {100 - MOST + 1} fields more"
    assert all(len(line) < 100 for line in differences({}, {"a": "x" * 1_000_000}))


def test_the_part_that_is_ours() -> None:
    fields = {
        "f:data": {"f:ours": {}},
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {
            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
            "f:selector": {},
            "f:set": {'v:"one"': {}},
        },
    }
    live = {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {
            "name": "x",
            "namespace": "shop",
            "uid": "u",
            "labels": {"a": "1", "b": "2"},
            "managedFields": [
                {"manager": "other", "operation": "Apply", "fieldsV1": {"f:data": {"f:theirs": {}}}},
                {"manager": "gitops", "operation": "Apply", "fieldsV1": fields},
            ],
        },
        "data": {"ours": "1", "theirs": "2"},
        "spec": {
            "ports": [{"port": 80, "protocol": "TCP", "nodePort": 1}, {"port": 81, "protocol": "TCP"}],
            "selector": {"app": "x"},
            "set": ["one", "two"],
        },
    }
    assert owned_part(live, "gitops") == {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "x", "namespace": "shop", "labels": {"a": "1"}},
        "data": {"ours": "1"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "x"}, "set": ["one"]},
    }
    assert others_part(live, "other") == {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "x", "namespace": "shop"},
        "data": {"theirs": "2"},
    }
    assert owned_part(live, "nobody") == {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "x", "namespace": "shop"},
    }


def test_what_others_own_is_joined_from_all_their_entries_without_the_status() -> None:
    port = 'k:{"port":80}'
    live = {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {
            "name": "x",
            "managedFields": [
                {"manager": "other", "operation": "Update", "fieldsV1": {"f:spec": {"f:a": {}}}},
                {
                    "manager": "other",
                    "operation": "Apply",
                    "fieldsV1": {
                        "f:spec": {"f:ports": {port: {"f:name": {}}}},
                        "f:status": {"f:ready": {}},
                    },
                },
            ],
        },
        "spec": {"a": 1, "b": 2, "ports": [{"port": 80, "name": "web", "nodePort": 3}]},
        "status": {"ready": True},
    }
    theirs = others_part(live, "other")
    assert theirs["spec"] == {
        "a": 1,
        "ports": [{"port": 80, "name": "web"}],
    }  # with the key that names the member
    assert "status" not in theirs


@pytest.mark.parametrize(
    ("removed", "before", "options", "codes"),
    [
        ([item("ConfigMap", str(n)) for n in range(2)], 2, (), []),
        ([item("ConfigMap", str(n)) for n in range(3)], 6, (), []),
        ([item("ConfigMap", str(n)) for n in range(4)], 6, (), ["kubernetes.prune-many"]),
        ([item("ConfigMap", str(n)) for n in range(4)], 6, ("allow-prune=ConfigMap",), []),
        ([item("Namespace")], 60, (), ["kubernetes.prune-kind"]),
        ([item("Namespace")], 60, ("allow-prune=ConfigMap",), ["kubernetes.prune-kind"]),
        ([item("Namespace")], 60, ("allow-prune=namespace",), []),
        (
            [item("CustomResourceDefinition", group="apiextensions.k8s.io")],
            60,
            ("allow-prune=customresourcedefinition.apiextensions.k8s.io",),
            [],
        ),
    ],
)
def test_the_deletion_guard(
    removed: list[Item], before: int, options: tuple[str, ...], codes: list[str]
) -> None:
    found = guard.check(removed, before, Prune(count=2, share=0.5), options)
    assert [problem.code for problem in found] == codes


def test_the_order() -> None:
    kinds = [
        item("Ingress", group="networking.k8s.io"),
        item("Deployment", group="apps"),
        item("Service"),
        item("ConfigMap"),
        item("Namespace"),
    ]
    there = [[one.key.kind for one in group] for group in staged(kinds, lambda one: one.key)]
    assert there == [["Namespace"], ["ConfigMap"], ["Service"], ["Deployment"], ["Ingress"]]
    back = [[one.key.kind for one in group] for group in staged(kinds, lambda one: one.key, backwards=True)]
    assert back == there[::-1]


@pytest.mark.parametrize(
    ("message", "field", "named"),
    [
        ("Invalid value: {}: field is immutable", "spec.selector", ["spec.selector"]),
        ("may not change once set", "spec.clusterIPs[0]", ["spec.clusterIPs[0]"]),
        (
            "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
            "spec",
            ["spec"],
        ),
        ("Forbidden: spec is immutable after creation except resources.requests", "spec", ["spec"]),
        ("Invalid value: {}: cannot change roleRef", "roleRef", ["roleRef"]),
        ("Required value", "spec.ports", []),
        ("field is immutable", "", []),
    ],
)
def test_immutable_is_what_the_causes_call_so(message: str, field: str, named: list[str]) -> None:
    cause = Cause(field=field, reason="FieldValueInvalid", message=message)
    assert recreate.immutable_fields(ApiProblem(422, "Invalid", "", (cause,))) == named
    assert recreate.immutable_fields(ApiProblem(409, "Conflict", "", (cause,))) == []


def seen(**changed: Any) -> Seen:
    entry = {"manager": "gitops", "operation": "Apply", "time": "t", "fields": "f"}
    entry |= {name: value for name, value in changed.items() if name in entry}
    rest = {name: value for name, value in changed.items() if name not in entry}
    base = {"key": key("ConfigMap"), "uid": "u", "resource_version": "1", "managed": (Managed(**entry),)}
    return Seen(**{**base, **rest})


@pytest.mark.parametrize(
    ("changed", "untouched"),
    [
        ({}, True),
        ({"resource_version": "2"}, True),
        ({"resource_version": "2", "uid": "v"}, False),
        ({"resource_version": "2", "time": "u"}, False),
        ({"resource_version": "2", "fields": "g"}, False),
        ({"resource_version": "2", "managed": ()}, False),
    ],
)
def test_the_ledger_knows_who_touched_it(changed: dict[str, Any], untouched: bool) -> None:
    ledger = Ledger([row_of(seen(), "hash", "gitops")])
    assert ledger.untouched(seen(**changed), "hash", "gitops") is untouched
    assert not ledger.untouched(seen(**changed), "another", "gitops")
    assert not Ledger().untouched(seen(**changed), "hash", "gitops")


def test_what_is_doomed() -> None:
    def spec(*names: str) -> SetSpec:
        return SetSpec(
            key=names[0], release=1, commit="", tree="", objects=tuple(item("A", n) for n in names)
        )

    found = Inventory(
        serving=spec("a", "b"), parked=spec("b", "c"), leftover=(item("A", "a"), item("A", "d"))
    )
    assert [one.key.name for one in found.doomed] == ["d", "c"]
    assert found.basis != Inventory(serving=found.serving).basis


def test_a_long_plan_is_cut() -> None:
    actions = tuple(Action(key=key("ConfigMap", f"c{n}"), act="create") for n in range(3000))
    plan = Plan(commit="", basis="", digest="", total=3001, actions=actions)
    told = list(plan.lines())
    assert len(told) == SHOWN + 1
    assert told[-1] == f"  and {3000 - SHOWN} lines more"
    assert plan.summary() == "3000 created, 1 unchanged"


def workload(kind: str, name: str, spec: str) -> str:
    return f"""\
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: {name}, image: web}}]}}
{spec}"""


def test_what_rolls() -> None:
    text = "---\n".join(
        [
            workload("Deployment", "web", ""),
            workload("Deployment", "old", "  strategy: {type: Recreate}\n"),
            workload("Deployment", "new", ""),
            workload("StatefulSet", "one", ""),
            workload("StatefulSet", "three", "  replicas: 3\n"),
            workload("DaemonSet", "each", ""),
        ]
    )
    reader = Reader()
    reader.take(text.encode(), "all.yaml")
    serving = {
        key(kind, name, "apps")
        for kind, name in (
            ("Deployment", "web"),
            ("Deployment", "old"),
            ("StatefulSet", "one"),
            ("StatefulSet", "three"),
            ("DaemonSet", "each"),
        )
    }
    assert sets.rolling(reader.result(), serving) == ["Deployment web", "StatefulSet three", "DaemonSet each"]


def test_where_a_page_is() -> None:
    ingress = {
        "spec": {
            "tls": [{"hosts": ["shop.example.org"]}],
            "rules": [
                {"host": host, "http": {"paths": [{"path": "/", "backend": {"service": {"name": name}}}]}}
                for host, name in (("shop.example.org", "web"), ("other.example.org", "api"), (None, "no"))
            ],
        }
    }
    one = Rendered(
        key=key("Ingress", "x", "networking.k8s.io"), api_version="", body=ingress, hash="", file="", line=1
    )
    assert sets.urls([one]) == {"web": "https://shop.example.org/", "api": "http://other.example.org/"}
