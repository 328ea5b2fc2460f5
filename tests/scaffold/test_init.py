"""`gitops init`: writes only what is missing; twice changes nothing; a failure leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.config.confinement import check
from gitops_cli.config.load import load_manifests, load_project
from gitops_cli.config.remote import Policy, load_remote
from gitops_cli.errors import GitopsError, Refused, Unavailable
from gitops_cli.scaffold.init import init
from gitops_cli.scaffold.remote import default_home, home_of
from tests.scaffold.conftest import DOCKERFILE, git, picture

if TYPE_CHECKING:
    from pathlib import Path

APP = {".dockerignore", ".gitignore", "Dockerfile", "app.py", "requirements.txt"}
SURFACE = {
    "alembic.ini",
    "deploy/deployment.yaml",
    "deploy/service.yaml",
    "gitops.yaml",
    "migrations/env.py",
    "migrations/script.py.mako",
}


def test_an_empty_folder_becomes_an_app_with_a_remote(tmp_path: Path, data: Path) -> None:
    done = init(tmp_path / "shop")
    assert set(done.written) == APP | SURFACE | {"migrations/versions/0001_notes.py"}
    assert done.branch == "main"
    home = default_home("shop", tmp_path / "shop")
    assert home.path.is_relative_to(data)
    assert git(tmp_path / "shop", "remote", "get-url", "gitops") == str(home.repo) == done.remote
    assert (tmp_path / "shop/.git/hooks/pre-push").stat().st_mode & 0o111
    assert done.hook
    remote = load_remote(home.config.read_bytes(), "remote.yaml")
    assert remote.environments["production"].ref == "refs/heads/main"
    assert remote.environments["production"].database == "embedded"
    for hook in ("pre-receive", "proc-receive", "post-receive"):
        assert os.access(home.repo / "hooks" / hook, os.X_OK)
    assert home.path.stat().st_mode & 0o077 == 0


def test_what_is_written_can_be_read_as_a_release_reads_it(tmp_path: Path, data: Path) -> None:
    init(tmp_path / "My Shop")
    tree = Checkout.need(tmp_path / "My Shop").tree()
    project = load_project(tree)
    manifests = load_manifests(tree, project)
    (container,) = manifests.deployments[0].spec.template.spec.containers
    assert project.name == "my-shop"
    assert container.image == "web"
    assert container.readiness_probe is not None
    assert container.readiness_probe.http_get is not None
    assert container.liveness_probe is not None
    assert manifests.all[0].raw["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert [port.target_port for port in manifests.services[0].spec.ports] == ["http"]
    check(manifests, project, Policy(), "shop")  # what a cluster refuses before any request


def test_an_application_keeps_its_files_and_gets_what_it_lacks(application: Path, data: Path) -> None:
    before = picture(application)
    done = init(application)
    assert set(done.written) == SURFACE | {"migrations/versions/.gitkeep"}
    after = picture(application)
    kept = {path for path in before if not path.startswith(".git/")}
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}
    tree = Checkout.need(application).tree()
    check(load_manifests(tree, load_project(tree)), load_project(tree), Policy(), "shop")
    assert "containerPort: 5000" in (application / "deploy/deployment.yaml").read_text()
    assert "name: shop" in (application / "gitops.yaml").read_text()


def test_what_is_there_is_used(application: Path, data: Path) -> None:
    (application / "k8s").mkdir()
    (application / "k8s/web.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\n")
    (application / "db").mkdir()
    (application / "db/env.py").write_text(
        "from alembic import context\ncontext.config.attributes['connection']\n"
    )
    (application / "db/script.py.mako").write_text("")
    done = init(application)
    assert done.written == ("gitops.yaml",)
    text = (application / "gitops.yaml").read_text()
    assert "manifests: k8s" in text
    assert "migrations: db" in text


def test_each_service_gets_its_manifests(tmp_path: Path, data: Path) -> None:
    for name in ("api", "worker"):
        (tmp_path / "shop" / name).mkdir(parents=True)
        (tmp_path / "shop" / name / "Dockerfile").write_text(DOCKERFILE)
    init(tmp_path / "shop")
    tree = Checkout.need(tmp_path / "shop").tree()
    project = load_project(tree)
    assert {name: spec.context for name, spec in project.services.items()} == {
        "api": "api",
        "worker": "worker",
    }
    assert {each.metadata.name for each in load_manifests(tree, project).deployments} == {"api", "worker"}


@pytest.mark.parametrize("commit", [False, True])
def test_twice_changes_nothing_byte_for_byte(tmp_path: Path, data: Path, commit: bool) -> None:
    folder = tmp_path / "shop"
    init(folder)
    if commit:
        git(folder, "add", "-A")
        git(folder, "commit", "--quiet", "-m", "Begin")
    before = picture(tmp_path)
    done = init(folder)
    assert picture(tmp_path) == before
    assert done.written == ()
    assert done.home == ""


def test_the_current_branch_is_bound(application: Path, data: Path) -> None:
    git(application, "switch", "--quiet", "-c", "trunk")
    done = init(application)
    home = home_of(done.remote)
    assert home is not None
    assert load_remote(home.config.read_bytes(), "x").environments["production"].branch == "trunk"
    assert (home.repo / "HEAD").read_text() == "ref: refs/heads/trunk\n"


def test_no_remote(tmp_path: Path, data: Path) -> None:
    done = init(tmp_path / "shop", no_remote=True)
    assert (done.remote, done.home) == ("", "")
    assert git(tmp_path / "shop", "remote") == ""
    assert not data.exists()


@pytest.mark.parametrize(
    "url", ["git@example.org:shop.git", "https://example.org/shop.git", "ssh://host/srv/shop"]
)
def test_a_remote_elsewhere_is_only_added(tmp_path: Path, data: Path, url: str) -> None:
    assert init(tmp_path / "shop", remote=url).remote == url
    assert git(tmp_path / "shop", "remote", "get-url", "gitops") == url
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop"]


def test_a_remote_at_a_path_is_made_there(tmp_path: Path, data: Path) -> None:
    done = init(tmp_path / "shop", remote=str(tmp_path / "over" / "there"))
    assert done.home == str(tmp_path / "over" / "there")
    assert done.remote == str(tmp_path / "over" / "there" / "repo.git")
    other = init(tmp_path / "clone", remote=done.remote)  # the same remote, for another developer
    assert (other.remote, other.home) == (done.remote, "")


def test_a_remote_that_is_there_is_left(application: Path, data: Path) -> None:
    git(application, "remote", "add", "gitops", "elsewhere:shop.git")
    done = init(application, remote=str(data / "new"))
    assert git(application, "remote", "get-url", "gitops") == "elsewhere:shop.git"
    assert "already there" in " ".join(done.notes)
    assert not data.exists()


def test_a_clone_of_a_remote_gets_no_second_one(tmp_path: Path, data: Path) -> None:
    first = init(tmp_path / "shop")
    git(tmp_path / "shop", "add", "-A")
    git(tmp_path / "shop", "commit", "--quiet", "-m", "Begin")
    git(tmp_path, "clone", "--quiet", str(tmp_path / "shop"), "clone")
    git(tmp_path / "clone", "remote", "set-url", "origin", first.remote)
    remotes = picture(data)
    done = init(tmp_path / "clone")
    assert (done.remote, done.home, done.added, done.uncommitted) == (first.remote, "", True, False)
    assert "origin is a gitops remote" in " ".join(done.notes)
    assert picture(data) == remotes


def test_somebody_elses_hook_is_left_and_said(application: Path, data: Path) -> None:
    hook = application / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\nexit 0\n")
    done = init(application)
    assert hook.read_text() == "#!/bin/sh\nexit 0\n"
    assert "somebody else's hook" in " ".join(done.notes)


def test_a_hooks_path_is_left_and_said(application: Path, data: Path, tmp_path: Path) -> None:
    git(application, "config", "core.hooksPath", str(tmp_path / "hooks"))
    done = init(application)
    assert "core.hooksPath" in " ".join(done.notes)
    assert not (tmp_path / "hooks").exists()
    assert not (application / ".git/hooks/pre-push").exists()


def test_an_env_py_that_opens_its_own_connection_is_named_with_lines_to_paste(
    application: Path, data: Path
) -> None:
    (application / "migrations").mkdir()
    env = (
        "from alembic import context\nfrom app import db\nwith db.engine.connect() as connection:\n    pass\n"
    )
    (application / "migrations/env.py").write_text(env)
    (application / "migrations/script.py.mako").write_text("")
    done = init(application)
    said = "\n".join(done.notes)
    assert "migrations/env.py" in said
    assert "attributes" in said
    assert (application / "migrations/env.py").read_text() == env


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("gunicorn -b 0.0.0.0:5000 app:app", True),
        ("gunicorn -b 0.0.0.0:$PORT app:app", False),
        ("python app.py", False),
    ],
)
def test_a_server_on_a_fixed_port_is_named_once(
    application: Path, data: Path, command: str, *, said: bool
) -> None:
    (application / "Dockerfile").write_text(f"FROM python:3.13-slim\nEXPOSE 5000\nCMD {command}\n")
    notes = " ".join(init(application).notes)
    assert ("Dockerfile starts its server on port 5000 whatever PORT says" in notes) is said
    assert "whatever PORT says" not in " ".join(init(application).notes)


def test_what_needs_a_container_is_named_with_its_line(application: Path, data: Path) -> None:
    (application / "Dockerfile").write_text("FROM python:3.13-slim\nRUN apt-get install -y curl\nCMD serve\n")
    notes = " ".join(init(application).notes)
    assert "Dockerfile:2: RUN apt-get install -y curl needs a container" in notes


def test_an_application_is_asked_for_its_page(application: Path, data: Path) -> None:
    """A server may listen long before its application has loaded: a connection is no readiness."""
    init(application)
    tree = Checkout.need(application).tree()
    manifests = load_manifests(tree, load_project(tree))
    probe = manifests.deployments[0].spec.template.spec.containers[0].readiness_probe
    assert probe is not None
    assert probe.http_get is not None
    assert probe.http_get.path == "/"


# --- failures: the folder is as it was ---


def fails(folder: Path, top: Path, remote: str = "") -> GitopsError:
    before = picture(top)
    with pytest.raises(GitopsError) as caught:
        init(folder, remote=remote)
    assert picture(top) == before
    return caught.value


def test_a_file_where_a_folder_must_be(application: Path, data: Path, tmp_path: Path) -> None:
    (application / "migrations").write_text("not a folder\n")
    error = fails(application, tmp_path)
    assert error.code == "init.in-the-way"
    assert "migrations" in error.cause


def test_a_file_where_the_remote_must_be(application: Path, tmp_path: Path, data: Path) -> None:
    data.write_text("not a folder\n")
    error = fails(application, tmp_path)
    assert isinstance(error, Unavailable)


def test_a_new_folder_goes_away_again(tmp_path: Path, data: Path) -> None:
    data.write_text("not a folder\n")
    fails(tmp_path / "a" / "b" / "shop", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_remote_folder_that_holds_something_else(application: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("")
    assert fails(application, tmp_path, remote=str(tmp_path / "mine")).code == "remote.not-empty"


def test_a_disk_that_refuses_at_the_last_file(application: Path, tmp_path: Path, data: Path) -> None:
    """The remote's folder is on a full or read-only disk: /proc takes no folder, from root either."""
    error = fails(application, tmp_path, remote="/proc/gitops-remote")
    assert isinstance(error, Unavailable)


def test_a_git_config_that_cannot_be_written(application: Path, tmp_path: Path, data: Path) -> None:
    """git takes `config.lock` before it adds a remote: the very last act fails, with everything made."""
    (application / ".git/config.lock").write_text("")
    assert fails(application, tmp_path).code == "checkout.git"


def test_no_dockerfile(tmp_path: Path, data: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/main.go").write_text("package main\n")
    error = fails(tmp_path / "shop", tmp_path)
    assert isinstance(error, Refused)
    assert error.code == "init.no-dockerfile"


def test_inside_a_repository(application: Path, tmp_path: Path, data: Path) -> None:
    (application / "sub").mkdir()
    error = fails(application / "sub", tmp_path)
    assert error.code == "init.inside"
    assert str(application) in error.next_command


def test_a_detached_head(application: Path, tmp_path: Path, data: Path) -> None:
    git(application, "checkout", "--quiet", "--detach")
    assert fails(application, tmp_path).code == "init.detached"


def test_a_branch_name_that_no_remote_takes(application: Path, tmp_path: Path, data: Path) -> None:
    git(application, "switch", "--quiet", "-c", "Feature-X")
    error = fails(application, tmp_path)
    assert (error.code, error.file) == ("remote.branch-name", "")
    assert error.cause.startswith("the branch Feature-X cannot release: ")
    assert error.next_command == "git switch -c main, then: gitops init"


def test_a_broken_gitops_yaml_is_named_with_its_line(application: Path, tmp_path: Path, data: Path) -> None:
    (application / "gitops.yaml").write_text("version: 1\nname: shop\nservice: {}\n")
    error = fails(application, tmp_path)
    assert (error.file, error.line) == ("gitops.yaml", 3)


# --- the Alembic folder also serves the plain `alembic` command ---


def test_the_alembic_command_takes_the_folder(tmp_path: Path, data: Path) -> None:
    init(tmp_path / "shop", no_remote=True)
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"],
        cwd=tmp_path / "shop",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "CREATE TABLE notes" in done.stdout
    heads = subprocess.run(
        [sys.executable, "-m", "alembic", "heads"],
        cwd=tmp_path / "shop",
        capture_output=True,
        text=True,
        check=True,
    )
    assert heads.stdout.startswith("0001 (head)")
    subprocess.run(
        [sys.executable, "-m", "alembic", "revision", "-m", "more"],
        cwd=tmp_path / "shop",
        check=True,
        capture_output=True,
    )
    assert len(list((tmp_path / "shop/migrations/versions").glob("*.py"))) == 2
