from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from gitops_cli.adapters.kubernetes.objects import Key
from gitops_cli.config.load import load_manifests, parse_project
from gitops_cli.config.remote import KubernetesAt, Policy
from gitops_cli.errors import GitopsError
from gitops_cli.targets.kubernetes.rendering import Rendered, render, selector
from gitops_cli.targets.protocol import AppSet
from tests.config.trees import PROJECT, SERVICE, FakeTree, restricted, workload

DIGEST = "sha256:" + "a" * 64
WEB = f"registry.example:5000/web@{DIGEST}"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {B: x, A: y}\n"


def rendered(
    text: str, *, environment: str = "production", release: int = 1, **policy: Any
) -> tuple[Rendered, ...]:
    project = parse_project(PROJECT.encode())
    tree = FakeTree({"gitops.yaml": PROJECT, "deploy/all.yaml": text})
    wanted = AppSet(
        environment=environment,
        release=release,
        commit=f"{release:040}",
        tree=f"{release:040}",
        project=project,
        manifests=load_manifests(tree, project),
    )
    at = KubernetesAt(namespace="shop", kubeconfig="file:kubeconfig", images={"web": WEB})
    return render(wanted, at, Policy(**policy))


def refused(text: str, **policy: Any) -> GitopsError:
    with pytest.raises(GitopsError) as caught:
        rendered(text, **policy)
    assert caught.value.file == "deploy/all.yaml"
    return caught.value


def test_an_object_gets_namespace_labels_and_hash() -> None:
    (found,) = rendered(CONFIG.replace("{name: a}", "{name: a, labels: {tier: x}, annotations: {c: d}}"))
    labels = {
        "app.kubernetes.io/managed-by": "gitops",
        "gitops-cli/app": "shop",
        "gitops-cli/environment": "production",
    }
    assert found.key == Key("", "ConfigMap", "shop", "a")
    assert (found.api_version, found.file, found.line) == ("v1", "deploy/all.yaml", 1)
    assert found.body["metadata"] == {
        "name": "a",
        "namespace": "shop",
        "labels": {"tier": "x", **labels},
        "annotations": {"c": "d", "gitops-cli/hash": found.hash},
    }
    body = json.loads(json.dumps(found.body))
    del body["metadata"]["annotations"]["gitops-cli/hash"]
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest()[:32] == found.hash


def test_the_same_object_renders_the_same_bytes_in_every_release() -> None:
    text = workload("Deployment", restricted()) + "---\n" + SERVICE + "---\n" + CONFIG
    first, again = rendered(text), rendered("# a comment\n" + text, release=7)
    assert [json.dumps(found.body) for found in first] == [json.dumps(found.body) for found in again]
    assert [found.hash for found in first] == [found.hash for found in again]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (CONFIG.replace("B: x, A: y", "A: y, B: x"), True),
        (CONFIG + "immutable:\n", True),
        (CONFIG + "status: {}\n", True),
        (CONFIG.replace("{name: a}", "{name: a, namespace: shop, creationTimestamp: null}"), True),
        (CONFIG.replace("B: x", "B: z"), False),
        (CONFIG.replace("{name: a}", "{name: a, labels: {x: y}}"), False),
    ],
)
def test_the_hash_is_of_what_is_said_not_of_how(text: str, same: bool) -> None:
    assert (rendered(text)[0].hash == rendered(CONFIG)[0].hash) is same


def test_selectors_and_pod_templates_get_no_labels() -> None:
    (found,) = rendered(workload("Deployment", restricted()))
    assert found.body["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    assert found.body["spec"]["template"]["metadata"] == {"labels": {"app": "web"}}


def test_what_is_read_is_not_changed() -> None:
    text = workload("Deployment", restricted())
    project = parse_project(PROJECT.encode())
    manifests = load_manifests(FakeTree({"gitops.yaml": PROJECT, "deploy/all.yaml": text}), project)
    before = json.dumps(manifests.all[0].raw)
    wanted = AppSet(environment="a", release=1, commit="", tree="", project=project, manifests=manifests)
    render(wanted, KubernetesAt(namespace="shop", images={"web": WEB}), Policy())
    assert json.dumps(manifests.all[0].raw) == before


def test_a_slash_of_an_environment_is_a_dot_of_its_label() -> None:
    (found,) = rendered(CONFIG, environment="preview/x")
    assert found.body["metadata"]["labels"]["gitops-cli/environment"] == "preview.x"
    assert selector("shop", "preview/x") == "gitops-cli/app=shop,gitops-cli/environment=preview.x"


def test_objects_of_the_whole_cluster_have_no_namespace() -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    (found,) = rendered(text, cluster_scoped=("Namespace",))
    assert found.key == Key("", "Namespace", "", "shop")
    assert "namespace" not in found.body["metadata"]


@pytest.mark.parametrize("kind", ["CronJob", "Deployment", "Job", "Pod", "PodTemplate", "StatefulSet"])
def test_services_are_named_by_the_operators_digest(kind: str) -> None:
    text = workload(kind, restricted().replace("containers:", f"initContainers: [{INIT}], containers:"))
    (found,) = rendered(text)
    assert json.dumps(found.body).count(f'"image": "{WEB}"') == 2
    assert json.dumps(found.body).count('"automountServiceAccountToken": false') == 1


INIT = (
    "{name: i, image: web, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}"
)


def test_a_listed_service_account_keeps_its_token() -> None:
    pod = restricted().replace(
        "{securityContext: {runAs", "{serviceAccountName: reader, securityContext: {runAs", 1
    )
    (found,) = rendered(workload("Deployment", pod), service_accounts=("reader",))
    assert "automountServiceAccountToken" not in found.body["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    "image", [f"nginx@{DIGEST}", f"ghcr.io/a/b:v1@{DIGEST}", f"localhost:5000/a@{DIGEST}"]
)
def test_an_image_by_digest_stays_as_it_is(image: str) -> None:
    (found,) = rendered(workload("Deployment", restricted(image)))
    assert found.body["spec"]["template"]["spec"]["containers"][0]["image"] == image


@pytest.mark.row(34)
@pytest.mark.parametrize(
    "image",
    [
        *("nginx", "nginx:1.29", "registry.example/web:latest", "wbe", "web:v1", "web ", ""),
        *("nginx@sha256:", "nginx@sha256:" + "a" * 63, "nginx@sha256:" + "A" * 64, "nginx@md5:" + "a" * 32),
        *(f"nginx@{DIGEST}x", f"@{DIGEST}", f"a b@{DIGEST}", f"nginx@{DIGEST}\n"),
    ],
)
def test_an_image_that_is_not_by_digest(image: str) -> None:
    text = f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: a}}\nspec:\n  template:\n    spec: {restricted()}\n"
    error = refused(text.replace("image: 'web'", f"\n        image: {json.dumps(image)}"))
    assert error.line == 7
    assert "neither a service of gitops.yaml nor named by digest" in error.cause
    assert error.code == "image.tag"


def test_an_image_volume_by_tag() -> None:
    pod = restricted().replace(
        "{securityContext: {runAs",
        "{volumes: [{name: a, image: {reference: 'a:b'}}], securityContext: {runAs",
        1,
    )
    assert refused(workload("Deployment", pod)).code == "image.tag"
    (found,) = rendered(workload("Deployment", pod.replace("a:b", "web")))
    assert found.body["spec"]["template"]["spec"]["volumes"][0]["image"]["reference"] == WEB


def test_a_service_without_an_image_says_what_the_operator_does() -> None:
    project = parse_project(b"name: shop\nservices: {web: {}, worker: {}}\n")
    tree = FakeTree({"deploy/a.yaml": workload("Deployment", restricted("worker"))})
    manifests = load_manifests(tree, project)
    wanted = AppSet(environment="a", release=1, commit="", tree="", project=project, manifests=manifests)
    with pytest.raises(GitopsError) as caught:
        render(wanted, KubernetesAt(namespace="shop", images={"web": WEB}), Policy())
    assert caught.value.code == "image.missing"
    assert caught.value.next_command == (
        "the operator adds `worker: NAME@sha256:...` to `images` in remote.yaml"
    )


@pytest.mark.row(34)
@pytest.mark.parametrize(
    ("image", "registries", "fine"),
    [
        (f"ghcr.io/team/web@{DIGEST}", ("ghcr.io/team",), True),
        (f"ghcr.io/team/web@{DIGEST}", ("ghcr.io",), True),
        (f"ghcr.io/teamster/web@{DIGEST}", ("ghcr.io/team",), False),
        (f"ghcr.io.evil.example/web@{DIGEST}", ("ghcr.io",), False),
        (f"ghcr.io/web@{DIGEST}", ("quay.io", "ghcr.io/"), True),
        (f"nginx@{DIGEST}", ("docker.io",), True),
        (f"nginx@{DIGEST}", ("docker.io/library",), True),
        (f"team/web@{DIGEST}", ("docker.io/library",), False),
        (f"nginx@{DIGEST}", ("ghcr.io",), False),
        ("web", ("registry.example:5000",), True),
        ("web", ("registry.example",), False),
    ],
)
def test_only_from_registries_that_are_listed(image: str, registries: tuple[str, ...], fine: bool) -> None:
    text = workload("Deployment", restricted(image))
    if fine:
        assert rendered(text, registries=registries)
    else:
        assert refused(text, registries=registries).code == "image.registry"


@pytest.mark.row(31)
def test_what_policy_forbids_is_not_rendered() -> None:
    pod = restricted().replace("{securityContext: {runAs", "{hostNetwork: true, securityContext: {runAs", 1)
    assert refused(workload("Deployment", pod)).code == "policy.pod-security"
