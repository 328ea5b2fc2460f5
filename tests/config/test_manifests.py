from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitops_cli.config.load import load_manifests, parse_project
from gitops_cli.errors import BadInput
from tests.config.trees import DEPLOYMENT, GITLINK, LINK, PROJECT, SERVICE, FakeTree

if TYPE_CHECKING:
    from gitops_cli.config.workloads import Manifests


def load(files: dict[str, str], modes: dict[str, int] | None = None, project: str = PROJECT) -> Manifests:
    return load_manifests(FakeTree({"gitops.yaml": project, **files}, modes), parse_project(project.encode()))


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        load({"deploy/all.yaml": text})
    return caught.value


def test_everything_is_typed_and_has_its_place() -> None:
    other = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: 'a:b'}\nspec: {x: [1, null]}\n"
    found = load(
        {
            "deploy/web.yaml": DEPLOYMENT + "---\n" + SERVICE,
            "deploy/more/config.yml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a.b}\n"
            "data: {A: x}\n---\n---\n" + other,
            "deploy/README.md": "not: [read",
            "other.yaml": "not: [read",
        }
    )
    (deployment,) = found.deployments
    assert (deployment.file, deployment.line) == ("deploy/web.yaml", 1)
    assert deployment.spec.replicas == 2
    container = deployment.spec.template.spec.containers[0]
    assert (container.image, container.ports[0].container_port) == ("web", 8080)
    assert container.readiness_probe is not None
    assert container.readiness_probe.http_get is not None
    assert container.readiness_probe.http_get.port == "http"
    assert found.services[0].line == DEPLOYMENT.count("\n") + 2
    assert found.config_maps[0].data == {"A": "x"}
    assert [manifest.kind for manifest in found.all] == ["ConfigMap", "Widget", "Deployment", "Service"]
    assert found.all[1].raw["spec"] == {"x": [1, None]}


def test_nothing_written_means_the_default() -> None:
    found = load({"deploy/a.yaml": DEPLOYMENT.replace("replicas: 2", "replicas:")})
    assert found.deployments[0].spec.replicas == 1


def test_manifests_beside_the_project_file() -> None:
    project = PROJECT + "manifests: .\n"
    assert len(load({"a.yaml": SERVICE, "x/b.yml": DEPLOYMENT}, project=project).all) == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (
            "image: web",
            "imge: web",
            15,
            "`spec.template.spec.containers[0].image` is missing; you wrote `imge`",
        ),
        ("replicas: 2", 'replicas: "2"', 6, "`spec.replicas` must be a whole number, not text"),
        ("replicas: 2", "replicas: -1", 6, "`spec.replicas` must not be negative"),
        ('value: "hello"', "value: 5", 19, "put it in quotes"),
        ("containerPort: 8080", "containerPort: 99999", 16, "`containerPort` must be 1 to 65535, not 99999"),
        ("name: http}", "name: HTTP}", 16, "`HTTP` is no port name"),
        (
            "matchLabels: {app: web}",
            "matchLabels: {app: api}",
            8,
            "`spec.selector.matchLabels` wants `app: api`, but the pods are labelled `app: web`",
        ),
        ("matchLabels: {app: web}", "matchLabels: {a: b}", 8, "the pods are labelled without `a`"),
        ("matchLabels: {app: web}", "matchLabels: {}", 7, "`spec.selector.matchLabels` is empty"),
        (
            "readinessProbe:",
            "readynessProbe:",
            20,
            "`readynessProbe` is not known here; did you mean `readinessProbe`?",
        ),
        ("httpGet: {path: /, port: http}", "httpGet: {port: 0}", 21, "`port` must be 1 to 65535, not 0"),
        (
            "httpGet: {path: /, port: http}",
            "{httpGet: {port: 1}, exec: {command: [x]}}",
            20,
            "more than one of",
        ),
        ("  name: web\nspec", "  name: Web_1\nspec", 4, "`Web_1` is no name"),
        ("- name: web", "- name: we.b", 14, "`we.b` is no name"),
        ("  name: web\nspec", "  generateName: web\nspec", 4, "`metadata.generateName`"),
        ("  name: web\nspec", "  nme: web\nspec", 3, "`metadata.name` is missing"),
        ("kind: Deployment", "kinds: Deployment", 2, "`kind` is missing or no text; you wrote `kinds`"),
        ("apiVersion: apps/v1", "apiVersion: v1", 1, "Deployment belongs to apiVersion apps/v1"),
        (
            "    metadata:\n      labels",
            "    metadat:\n      labels",
            10,
            "`spec.template.metadata` is missing; you wrote",
        ),
        ("- name: GREETING", "- name: A=B", 18, "a variable needs a name without `=`"),
    ],
)
def test_deployment_error_has_its_line(old: str, new: str, line: int, said: str) -> None:
    assert old in DEPLOYMENT
    error = refused(DEPLOYMENT.replace(old, new, 1))
    assert said in error.cause
    assert (error.file, error.line) == ("deploy/all.yaml", line)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("port: 80\n", "port: 0\n", "`port` must be 1 to 65535, not 0"),
        ("port: 80\n", "port: eighty\n", "must be a whole number"),
        ("targetPort: http", "targetPort: 70000", "`targetPort` must be 1 to 65535"),
        ("targetPort: http", "targetPort: 0", "`targetPort` must be 1 to 65535"),
        ("targetPort: http", "targetPort: a_b", "neither a number nor a port's name"),
        ("targetPort: http", "targetPort: http\n    - port: 81", "of several ports each has a `name`"),
        ("{name: web}", "{name: a.b}", "`a.b` is no name"),
        ("{name: web}", "{name: %s}" % ("a" * 64), "is no name"),
    ],
)
def test_service_error(old: str, new: str, said: str) -> None:
    assert old in SERVICE
    assert said in refused(SERVICE.replace(old, new, 1)).cause


@pytest.mark.row(24)
def test_a_kind_cannot_hide_behind_another() -> None:
    assert (
        refused("kind: ConfigMap\napiVersion: v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\n").line == 3
    )


@pytest.mark.row(29)
def test_list_is_refused() -> None:
    error = refused(f"apiVersion: v1\nkind: List\nitems: [{{kind: Node}}]\n---\n{SERVICE}")
    assert "kind List hides other objects" in error.cause
    assert error.line == 2


@pytest.mark.row(33)
def test_the_same_object_twice_names_both_places() -> None:
    with pytest.raises(BadInput) as caught:
        load({"deploy/a.yaml": SERVICE, "deploy/b.yaml": DEPLOYMENT + "---\n" + SERVICE})
    assert caught.value.cause == "Service `web` is already in deploy/a.yaml:1"
    assert caught.value.line == DEPLOYMENT.count("\n") + 2


@pytest.mark.row(33)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}",
            "v1\nkind: ConfigMap\nmetadata: {name: a}",
        ),
        (
            "v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}",
            "v1\nkind: ConfigMap\nmetadata: {name: a, namespace: y}",
        ),
        (
            "apps/v1\nkind: StatefulSet\nmetadata: {name: a}",
            "apps/v1beta1\nkind: StatefulSet\nmetadata: {name: a}",
        ),
        (
            "example.org/v1\nkind: Widget\nmetadata: {name: a}",
            "example.org/v2\nkind: Widget\nmetadata: {name: a}",
        ),
    ],
)
def test_one_object_has_one_document_whatever_its_version_and_namespace(first: str, second: str) -> None:
    error = refused(f"apiVersion: {first}\n---\napiVersion: {second}\n")
    assert "is already in deploy/all.yaml:1" in error.cause
    assert (error.code, error.line) == ("manifest.duplicate", 5)


def test_one_name_in_two_groups_is_two_objects() -> None:
    two = "apiVersion: a.org/v1\nkind: Widget\nmetadata: {name: a}\n---\napiVersion: b.org/v1\nkind: Widget\nmetadata: {name: a}\n"
    assert len(load({"deploy/a.yaml": two}).all) == 2


@pytest.mark.parametrize(
    ("files", "modes", "said"),
    [
        ({"deploy/a.yaml": "/etc/passwd"}, {"deploy/a.yaml": LINK}, "deploy/a.yaml is a symbolic link"),
        ({"deploy/sub": ""}, {"deploy/sub": GITLINK}, "deploy/sub is a submodule"),
        ({"deploy": "/etc"}, {"deploy": LINK}, "deploy is a symbolic link"),
        ({"deploy": "x"}, {}, "deploy is a file"),
        ({"x": "x"}, {}, "there is no folder `deploy` for the manifests in abc1234"),
        ({"deploy/a.yaml": "#" * 1_100_000}, {}, "larger than 1048576 bytes"),
    ],
)
def test_files_that_are_none(files: dict[str, str], modes: dict[str, int], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(files, modes)
    assert said in caught.value.cause


@pytest.mark.parametrize(
    "text",
    ["- a\n", "5\n", "kind: X\n", "apiVersion: v1\nkind: 5\n", "apiVersion: v1\nkind: X\nmetadata: 5\n"],
)
def test_what_is_no_manifest(text: str) -> None:
    assert refused(text).code == "manifest.shape"
