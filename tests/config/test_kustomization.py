from __future__ import annotations

import pytest

from gitops_cli.config.kustomization import overlay_folders
from gitops_cli.config.load import load_manifests, parse_project
from gitops_cli.errors import BadInput
from tests.config.trees import DEPLOYMENT, LINK, PROJECT, SERVICE, FakeTree

OVERLAY = "deploy/production/kustomization.yaml"
BASE = {
    "deploy/base/kustomization.yaml": "resources: [web.yaml, ../shared]\n",
    "deploy/base/web.yaml": DEPLOYMENT,
    "deploy/shared/kustomization.yml": "resources: [service.yaml]\n",
    "deploy/shared/service.yaml": SERVICE,
}


def refused(files: dict[str, str], modes: dict[str, int] | None = None) -> BadInput:
    with pytest.raises(BadInput) as caught:
        overlay_folders(FakeTree(BASE | files, modes), "deploy/production")
    return caught.value


def test_the_folders_of_an_overlay_are_those_that_it_is_based_on() -> None:
    files = {
        OVERLAY: "resources: [../base]\ncomponents: [../more]\npatches: [{path: patch.yaml}]\n",
        "deploy/more/Kustomization": "kind: Component\ngenerators:\n  - |-\n    kind: ConfigMap\n    metadata: {}\n",
        "deploy/unused/kustomization.yaml": "resources: [https://example.org/x]\n",
    }
    found = overlay_folders(FakeTree(BASE | files), "deploy/production")
    assert sorted(found) == ["deploy/base", "deploy/more", "deploy/production", "deploy/shared"]


def test_folders_that_name_each_other_end() -> None:
    files = {OVERLAY: "resources: [../a]\n", "deploy/a/kustomization.yaml": "resources: [../production]\n"}
    assert len(overlay_folders(FakeTree(files), "deploy/production")) == 2


@pytest.mark.parametrize(
    "name",
    [
        *(
            "https://example.org/base.yaml",
            "github.com/org/repo//base?ref=v1",
            "git@example.org:org/repo.git",
        ),
        *(
            "ssh://git@example.org/x",
            "file:///etc",
            "/etc",
            "../../../etc",
            "../nowhere",
            "org/repo",
            "host.xz:path",
        ),
    ],
)
@pytest.mark.parametrize("field", ["resources", "bases", "components", "transformers"])
def test_what_is_not_in_the_commit_is_never_fetched(name: str, field: str) -> None:
    error = refused({OVERLAY: f"namespace: shop\n{field}:\n  - ../base\n  - {name}\n"})
    assert (error.code, error.file, error.line) == ("kustomize.remote", OVERLAY, 4)
    assert "nothing is fetched" in error.cause


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("helmCharts: [{name: x, repo: 'https://example.org'}]\n", 1, "kustomize.helm"),
        ("resources: [\n", 2, "yaml.syntax"),
        ("resources: []\nresources: []\n", 2, "yaml.duplicate"),
    ],
)
def test_kustomization_that_is_refused(text: str, line: int, code: str) -> None:
    error = refused({OVERLAY: text})
    assert (error.code, error.file, error.line) == (code, OVERLAY, line)


def test_there_is_no_overlay() -> None:
    assert refused({}).cause == "there is no kustomization.yaml in deploy/production of abc1234"
    assert refused({OVERLAY: "/etc/passwd"}, {OVERLAY: LINK}).code == "kustomize.kind"
    many = {f"deploy/{n}/kustomization.yaml": f"resources: [../{n + 1}]\n" for n in range(200)}
    assert refused({OVERLAY: "resources: [../0]\n"} | many).code == "kustomize.limit"


def test_plain_manifests_are_those_outside_of_overlays() -> None:
    files = BASE | {OVERLAY: "resources: [../base]\n", "deploy/production/patch.yaml": "not: [a manifest"}
    project = parse_project(f"{PROJECT}kustomize: {{production: ./deploy/production/}}\n".encode())
    assert project.kustomize == {"production": "deploy/production"}
    found = load_manifests(FakeTree(files), project)
    assert [manifest.kind for manifest in found.all] == ["Deployment", "Service"]


def test_a_kustomization_that_nobody_reads_is_refused() -> None:
    with pytest.raises(BadInput) as caught:
        load_manifests(FakeTree(BASE), parse_project(PROJECT.encode()))
    assert (caught.value.code, caught.value.file) == (
        "manifest.kustomization",
        "deploy/base/kustomization.yaml",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kustomize: {production: ../x}\n", "`production` must be a path inside the project"),
        ("kustomize: {Production: x}\n", "the name `Production` in `kustomize`"),
        ("relax: [root]\n", "`relax[0]` must be one of `apparmor`"),
    ],
)
def test_project_says_it_right(text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_project((PROJECT + text).encode())
    assert said in caught.value.cause
    assert caught.value.line == 4
