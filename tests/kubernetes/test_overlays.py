"""Overlays, built by the kubectl of the test cluster in the cage of this machine."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from gitops_cli.adapters import kustomize, sandbox
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.home import Home
from gitops_cli.errors import BadInput, GitopsError, LimitExceeded, Unavailable
from gitops_cli.steps.content import content_for
from tests.cluster import build
from tests.config.trees import restricted, workload
from tests.sandbox.tools import working
from tests.support.site import GITOPS, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitops_cli.steps.content import Content

pytestmark = pytest.mark.cluster

PROJECT = (
    "name: shop\nservices: {web: {}}\nmanifests: deploy/base\nkustomize: {production: deploy/production}\n"
)
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {LEVEL: base}\n"
FILES = {
    "gitops.yaml": PROJECT,
    "deploy/base/kustomization.yaml": "resources: [web.yaml, settings.yaml]\n",
    "deploy/base/web.yaml": workload("Deployment", restricted()),
    "deploy/base/settings.yaml": CONFIG,
    "deploy/production/kustomization.yaml": "resources: [../base]\npatches: [{path: more.yaml}]\n",
    "deploy/production/more.yaml": CONFIG.replace("base", "production"),
}


class Shop:
    """A repository, a remote's folder beside it, and what a commit comes to in an environment."""

    def __init__(self, tmp_path: Path, level: sandbox.Level) -> None:
        self.home = Home(tmp_path / "remote")
        self.work = tmp_path / "work"
        self.level = level
        self.levels = 0
        self.git("init", "-q", str(self.work))

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@b", *args],
            cwd=self.work if self.work.exists() else None,
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stdout.strip()

    def content(self, files: dict[str, str], environment: str = "production") -> Content:
        for path, text in files.items():
            (self.work / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / path).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "x", "--allow-empty")
        with Repo(self.work / ".git") as repo:
            return content_for(environment, repo, self.git("rev-parse", "HEAD"), self.home, self.found)

    def found(self) -> sandbox.Level:
        self.levels += 1
        return self.level

    def refused(self, files: dict[str, str]) -> GitopsError:
        with pytest.raises(GitopsError) as caught:
            self.content(FILES | files)
        return caught.value


@pytest.fixture(params=list(sandbox.Level))
def level(request: pytest.FixtureRequest) -> sandbox.Level:
    """Give each level that works here."""
    return working(request.param)


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{build.build()}:/usr/bin:/bin")


@pytest.fixture
def shop(tmp_path: Path, tool: None) -> Iterator[Shop]:
    """A shop at the level that this machine has; nothing of a build may stay but its result."""
    found = Shop(tmp_path, sandbox.probe().level)
    yield found
    left = {path.suffix or path.name for path in (found.home.cache / "kustomize").glob("*")}
    assert left <= {".yaml", "lock"}


def test_an_overlay_is_what_the_environment_gets(tmp_path: Path, tool: None, level: sandbox.Level) -> None:
    found = Shop(tmp_path, level).content(FILES)
    assert [each.kind for each in found.manifests.all] == ["ConfigMap", "Deployment"]
    assert found.manifests.config_maps[0].data == {"LEVEL": "production"}
    (deployment,) = found.manifests.deployments
    assert (deployment.file, deployment.line) == ("deploy/production", 0)
    assert found.manifests.all[1].line_of(("spec", "template")) == 0


def test_another_environment_gets_the_plain_manifests(shop: Shop) -> None:
    found = shop.content(FILES, "staging")
    assert found.manifests.config_maps[0].data == {"LEVEL": "base"}
    assert shop.levels == 0


def test_a_build_is_kept_until_its_folders_change(shop: Shop) -> None:
    first = shop.content(FILES)
    again = shop.content(FILES | {"README.md": "another commit", "deploy/staging/x.yaml": "a: b"})
    assert shop.levels == 1
    assert again.manifests == first.manifests
    changed = shop.content({"deploy/base/settings.yaml": CONFIG.replace("LEVEL", "NEW")})
    assert shop.levels == 2
    assert changed.manifests.config_maps[0].data == {"NEW": "base", "LEVEL": "production"}


def test_what_a_killed_build_left_is_in_nobodys_way(shop: Shop) -> None:
    left = shop.home.cache / "kustomize" / "tree" / "deploy" / "base"
    left.mkdir(parents=True)
    (left / "kustomization.yaml").write_text("resources: [stale.yaml]\n")
    assert len(shop.content(FILES).manifests.all) == 2


def test_only_so_many_results_are_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitops_cli.steps.overlays.KEEP", 2)
    for number in range(4):
        shop.content(FILES | {"deploy/base/settings.yaml": CONFIG.replace("LEVEL", f"L{number}")})
    assert len(list((shop.home.cache / "kustomize").glob("*.yaml"))) == 2


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"deploy/production/more.yaml": CONFIG.replace("settings", "none")}, "no resource matches"),
        ({"deploy/production/more.yaml": "\n"}, "kustomize cannot build it"),
        ({"deploy/base/kustomization.yaml": "resources: [web.yaml, ../../gitops.yaml]\n"}, "gitops.yaml"),
    ],
)
def test_what_kustomize_says_is_said(shop: Shop, files: dict[str, str], said: str) -> None:
    error = shop.refused(files)
    assert isinstance(error, BadInput)
    assert (error.code, error.file, error.line) == ("kustomize.build", "deploy/production", 0)
    assert said in error.cause
    assert str(shop.home.path) not in error.cause
    assert "\n" not in error.cause


def test_a_push_releases_the_overlay(tmp_path: Path, tool: None) -> None:
    """The hooks find the tool by the pusher's PATH; the commit is still in quarantine when it is built first."""
    site = make_site(tmp_path, migrations=False)
    try:
        overlay = {
            "gitops.yaml": GITOPS.replace("migrations: migrations\n", "")
            + "kustomize: {production: overlays/production}\n",
            "deploy/kustomization.yaml": "resources: [deployment.yaml, service.yaml]\n",
            "overlays/production/kustomization.yaml": "resources: [../../deploy]\nreplicas: [{name: web, count: 2}]\n",
        }
        site.release("The first version", overlay)
        (live,) = releases.status(site.home)
        assert len(live.live.processes) == 2
        said = site.refused(
            {"overlays/production/kustomization.yaml": "resources: [https://example.org/x]\n"}
        )
        assert "overlays/production/kustomization.yaml:1" in said
        assert "nothing is fetched" in said
    finally:
        site.down()


@pytest.mark.row(28)
def test_the_result_is_checked_as_any_manifest(shop: Shop) -> None:
    secret = "resources: [../base]\nsecretGenerator: [{name: a, literals: [token=hunter2]}]\n"
    error = shop.refused({"deploy/production/kustomization.yaml": secret})
    assert (error.code, error.file, error.line) == ("secret.object", "deploy/production", 0)
    assert "hunter2" not in error.sentence()


def test_a_remote_file_cannot_be_had_even_where_kustomize_would_fetch_it(shop: Shop) -> None:
    patches = "resources: [../base]\npatches: [{path: 'http://127.0.0.1:1/patch.yaml'}]\n"
    assert shop.refused({"deploy/production/kustomization.yaml": patches}).code == "kustomize.build"


def test_it_sees_nothing_of_the_machine(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(CONFIG)
    reach = f"resources: [../base]\nconfigMapGenerator: [{{name: a, files: ['{tmp_path}/secret.yaml']}}]\n"
    assert shop.refused({"deploy/production/kustomization.yaml": reach}).code == "kustomize.build"


def test_time_and_size_are_limited(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kustomize, "SECONDS", 0.01)
    error = shop.refused({})
    assert isinstance(error, LimitExceeded)
    assert error.code == "kustomize.time"
    monkeypatch.undo()
    monkeypatch.setenv("PATH", f"{build.build()}:/usr/bin:/bin")
    monkeypatch.setattr(kustomize, "MOST_OUTPUT", 100)
    assert shop.refused({}).code == "kustomize.size"


def test_many_copies_end_at_the_limit(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty layers that each take the one below twice would be 10^9 objects."""
    layers: dict[str, str] = {
        f"deploy/l{n}{half}/kustomization.yaml": f"namePrefix: {half}\nresources: [../l{n + 1}a, ../l{n + 1}b]\n"
        for n in range(30)
        for half in "ab"
    }
    layers |= {
        f"deploy/l30{half}/kustomization.yaml": f"namePrefix: {half}\nresources: [a.yaml]\n" for half in "ab"
    }
    layers |= {f"deploy/l30{half}/a.yaml": CONFIG for half in "ab"}
    layers["deploy/production/kustomization.yaml"] = "resources: [../l0a]\n"
    monkeypatch.setattr(kustomize, "SECONDS", 2.0)
    assert shop.refused(layers).code == "kustomize.time"


def test_without_a_tool_the_remote_says_what_it_needs(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git = tmp_path / "bin"
    git.mkdir()
    (git / "git").symlink_to("/usr/bin/git")
    monkeypatch.setenv("PATH", str(git))
    error = shop.refused({})
    assert isinstance(error, Unavailable)
    assert (
        error.cause
        == "deploy/production is a kustomize overlay, and the remote has neither kustomize nor kubectl"
    )
    assert error.next_command == "install kustomize where the remote's hooks find it"
