"""The standard's own examples (k8s.io/pod-security-admission 0.35.4, test/testdata, Apache-2.0), one a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from gitops_cli.config.pod_security import remedy, violations
from gitops_cli.config.pods import pods
from gitops_cli.config.project import Relaxation

_LINES = Path(__file__).with_name("pod_security.jsonl").read_text(encoding="utf-8").splitlines()
EXAMPLES = [json.loads(line) for line in _LINES]
RULES = {
    "allowprivilegeescalation": "privilege-escalation",
    "apparmorprofile": "apparmor",
    "capabilities_baseline": "capabilities",
    "capabilities_restricted": "capabilities",
    "hostnamespaces": "host-namespaces",
    "hostpathvolumes": "host-path",
    "hostports": "host-ports",
    "hostprobesandhostlifecycle": "host-probes",
    "privileged": "privileged",
    "procmount": "proc-mount",
    "procmount_restricted": "proc-mount",
    "restrictedvolumes": "volume-types",
    "runasnonroot": "run-as-non-root",
    "runasuser": "run-as-user",
    "seccompprofile_baseline": "seccomp",
    "seccompprofile_restricted": "seccomp",
    "selinuxoptions": "selinux",
    "sysctls": "sysctls",
    "windowshostprocess": "host-process",
}
"""How the examples call what we call otherwise."""


def rules(pod: dict[str, Any]) -> set[str]:
    return {found.rule for one in pods(pod) for found in violations(one)}


def rule_of(name: str) -> str:
    return RULES[name.rstrip("0123456789")]


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["name"] for example in EXAMPLES])
def test_example_of_the_standard(example: dict[str, Any]) -> None:
    _level, verdict, name = example["name"].split("/")
    found = rules(example["pod"])
    if verdict == "pass":
        assert not found
    else:
        assert found & {rule_of(name), "host-path" if rule_of(name) == "volume-types" else ""}


def test_every_rule_has_an_example_that_fails() -> None:
    names = [example["name"].split("/") for example in EXAMPLES]
    failing = {rule_of(name) for _level, verdict, name in names if verdict == "fail"}
    assert failing == set(get_args(Relaxation))


def test_a_user_namespace_excuses_nothing() -> None:
    passing = next(example["pod"] for example in EXAMPLES if example["name"] == "restricted/pass/runasuser0")
    root = json.loads(json.dumps(passing))
    root["spec"] |= {"hostUsers": False}
    root["spec"]["securityContext"] |= {"runAsUser": 0, "runAsNonRoot": False}
    assert rules(root) == {"run-as-user", "run-as-non-root"}


@pytest.mark.parametrize("odd", [[], {}, "x", 7, [[]], {"a": []}, True])
@pytest.mark.parametrize(
    "field", sorted({"securityContext", "containers", "volumes", "os", "initContainers"})
)
def test_odd_values_raise_nothing(field: str, odd: object) -> None:
    """The server refuses them; what matters here is that nothing breaks."""
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}], field: odd}}
    rules(pod)
    inner = {
        "runAsUser": odd,
        "runAsNonRoot": odd,
        "seccompProfile": {"type": odd},
        "sysctls": [{"name": odd}],
    }
    inner |= {
        "privileged": odd,
        "procMount": odd,
        "seLinuxOptions": {"type": odd},
        "capabilities": {"add": [odd]},
    }
    pod["spec"] = {"containers": [{"name": "a", "securityContext": inner, "ports": odd, "lifecycle": odd}]}
    assert "privilege-escalation" in rules(pod)


@pytest.mark.parametrize(
    ("relaxed", "allowed", "said"),
    [
        (
            [],
            [],
            "the project writes `relax: [host-path, seccomp]` in gitops.yaml and the operator allows it by",
        ),
        (
            [],
            ["host-path", "seccomp"],
            "write `relax: [host-path, seccomp]` in gitops.yaml, which the operator allows",
        ),
        (
            ["seccomp"],
            ["seccomp"],
            "the project writes `relax: [host-path]` in gitops.yaml and the operator allows",
        ),
        (
            ["host-path", "seccomp"],
            ["seccomp"],
            "the operator allows what gitops.yaml relaxes, by `policy: {mayRelax: [host-path]}`",
        ),
    ],
)
def test_remedy_says_who_does_what(relaxed: list[str], allowed: list[str], said: str) -> None:
    told = remedy(["seccomp", "host-path", "seccomp"], relaxed, allowed)
    assert told.startswith(f"change it; or else {said}")
