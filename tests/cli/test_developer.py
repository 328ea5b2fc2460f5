"""status, history, logs, rollback, recover, down on a real remote, over plain git."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import gitops
from tests.support.site import APP, DEPLOYMENT, DOCKERFILE, Site, make_site, migration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTE = migration("0002", "0001", "alter table items add note text", "alter table items drop note")
BROKEN = migration("0002", "0001", "alter table itmes add note text", "alter table items drop note")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Release 1 and 2 live, release 3 refused; the commits are tagged one, two, bad."""
    site = make_site(tmp_path_factory.mktemp("site"))
    try:
        site.release("The first version")
        site.git("tag", "one")
        site.release(
            "Another page", {"page.txt": "two\n", "app.py": 'print("good morning", flush=True)\n' + APP}
        )
        site.git("tag", "two")
        site.commit("A broken migration", {"migrations/versions/0002_note.py": BROKEN})
        site.git("tag", "bad")
        assert site.push().code != 0
        site.git("reset", "-q", "--hard", "two")
        yield site
    finally:
        site.down()


def test_status_says_what_runs(site: Site) -> None:
    said = gitops("status", cwd=site.folder)
    assert said.code == 0, said.err
    assert f"production: release 2, {site.git('rev-parse', 'two')[:7]} Another page" in said.out
    assert "web: ready" in said.out
    assert next(iter(site.urls.values())) in said.out
    assert "the last push was" in said.out
    data = gitops("status", "--json", cwd=site.folder).envelope["data"]
    told = data["environments"]["production"]
    assert told["live"]["commit"] == told["released"]["commit"] == site.git("rev-parse", "two")
    assert told["ahead"] == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("two", "release 2, which is live"),
        ("one", "release 1, which another one has replaced"),
        ("bad", "release 3 was"),
    ],
)
def test_status_of_a_commit_is_the_answer_after_a_lost_connection(site: Site, name: str, words: str) -> None:
    said = gitops("status", name, cwd=site.folder)
    assert said.code == 0, said.err
    assert words in said.out
    (told,) = gitops("status", name, "--json", cwd=site.folder).envelope["data"]["releases"]
    assert told["commit"] == site.git("rev-parse", name)


def test_status_of_a_commit_that_was_never_pushed(site: Site) -> None:
    site.git("commit", "-q", "--allow-empty", "-m", "only here")
    try:
        assert "was not released" in gitops("status", "HEAD", cwd=site.folder).out
    finally:
        site.git("reset", "-q", "--hard", "two")
    assert (
        gitops("status", "nonsense", "--json", cwd=site.folder).envelope["error"]["code"]
        == "status.no-commit"
    )


def test_a_plain_clone_without_the_remotes_disk_knows_the_releases(site: Site, tmp_path: Path) -> None:
    """Over a transport that is no path: what git fetches is enough for status, history, logs."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(site.home.repo), str(clone)], check=True)
    for setting in (
        ["remote.gitops.url", "ext::git %s " + str(site.home.repo)],
        ["protocol.ext.allow", "always"],
    ):
        subprocess.run(["git", "config", *setting], cwd=clone, check=True)
    said = gitops("status", cwd=clone)
    assert said.code == 0, said.err
    assert "production: release 2" in said.out
    data = gitops("history", "--json", cwd=clone).envelope["data"]
    assert [(told["release"], told["outcome"]) for told in data["releases"]] == [
        (2, "released"),
        (1, "released"),
    ]
    assert data["complete"] is False
    assert "deploy" in "\n".join(gitops("logs", "1", "--json", cwd=clone).envelope["data"]["lines"])
    assert gitops("logs", "--app", "web", "--json", cwd=clone).envelope["error"]["code"] == "logs.elsewhere"


def test_a_clone_is_told_how_to_name_its_remote(site: Site, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", str(site.home.repo), str(tmp_path / "clone")], check=True)
    error = gitops("status", "--json", cwd=tmp_path / "clone").envelope["error"]
    assert error["code"] == "checkout.no-remote"
    assert "--remote origin" in error["next"]
    assert gitops("status", "--remote", "origin", cwd=tmp_path / "clone").code == 0


def test_open_needs_no_other_command_before_it(site: Site, tmp_path: Path) -> None:
    """The first command after a first push: nothing has fetched the record yet."""
    subprocess.run(["git", "clone", "-q", str(site.home.repo), str(tmp_path / "clone")], check=True)
    said = gitops("open", "--print", "--remote", "origin", cwd=tmp_path / "clone")
    assert said.code == 0, said.err
    assert said.out.strip() == next(iter(site.urls.values()))


def test_history_lists_the_refused_ones_too(site: Site) -> None:
    data = gitops("history", "--json", cwd=site.folder).envelope["data"]
    told = [(each["release"], each["outcome"]) for each in data["releases"]]
    assert told[1:] == [(2, "released"), (1, "released")]
    assert told[0][0] == 3
    assert told[0][1] in {"refused", "undone"}
    lines = gitops("history", cwd=site.folder).out.splitlines()
    assert lines[0].split() == ["release", "environment", "when", "took", "outcome", "commit", "subject"]
    assert lines[2].endswith("Another page")
    assert len(gitops("history", "--limit", "1", cwd=site.folder).out.splitlines()) == 2


def test_logs_of_a_release(site: Site) -> None:
    out = gitops("logs", cwd=site.folder).out
    for step in ("validate", "deploy", "verify"):
        assert step in out
    assert gitops("logs", "--json", cwd=site.folder).envelope["data"]["release"] == 2
    refused = gitops("logs", "3", cwd=site.folder)
    assert "itmes" in refused.out
    line = re.compile(r"validate {5}[\d.]+ s  2 manifests, \d migrations?")
    assert line.match(out)
    assert line.match(refused.out)
    assert gitops("logs", "99", "--json", cwd=site.folder).envelope["error"]["code"] == "release.none"


def test_logs_of_a_service(site: Site) -> None:
    said = gitops("logs", "--app", "web", "--json", cwd=site.folder)
    assert said.code == 0, said.out
    assert "good morning" in "\n".join(said.envelope["data"]["lines"])


def test_validate_and_its_errors(site: Site) -> None:
    assert gitops("validate", cwd=site.folder).out == "well-formed: 2 manifests, 1 migration\n"
    assert gitops("validate", "one", cwd=site.folder).code == 0
    file = site.folder / "gitops.yaml"
    before = file.read_text()
    try:
        file.write_text(before + "servces: {}\n")
        error = gitops("validate", "--json", cwd=site.folder).envelope["error"]
        assert error["file"] == "gitops.yaml"
        assert error["line"] == len(before.splitlines()) + 1
        assert gitops("validate", "two", cwd=site.folder).code == 0  # a commit is read, not the working tree
    finally:
        file.write_text(before)


LINE = DOCKERFILE.count("\n")
UNFIT = {
    "no Dockerfile": ("Dockerfile", "", "there is no Dockerfile in the working tree"),
    "FORM": ("Dockerfile", DOCKERFILE.replace("FROM", "FORM"), "Dockerfile:1: "),
    "apt-get": ("Dockerfile", DOCKERFILE + "RUN apt-get install x\n", f"Dockerfile:{LINE + 1}: RUN apt-get"),
    "image": (
        "deploy/deployment.yaml",
        DEPLOYMENT.replace("image: web", "image: wbe"),
        "image `wbe` is neither",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_validate_says_what_the_push_would_say(project: Path, name: str) -> None:
    path, text, said = UNFIT[name]
    (project / path).write_text(text) if text else (project / path).unlink()
    error = gitops("validate", cwd=project)
    assert error.code == 1, error.out
    assert said in error.err
    # of a remote elsewhere nobody knows here whether it runs containers
    subprocess.run(["git", "remote", "set-url", "gitops", "example.org:shop.git"], cwd=project, check=True)
    told = gitops("validate", cwd=project)
    assert said in told.out + told.err
    assert told.code == (1 if name == "image" else 0)
    # a cluster's images are built elsewhere
    subprocess.run(
        ["git", "remote", "set-url", "gitops", str(of_a_cluster(project))], cwd=project, check=True
    )
    told = gitops("validate", cwd=project)
    assert (told.code, said in told.out + told.err) == ((1, True) if name == "image" else (0, False))


def of_a_cluster(project: Path) -> Path:
    """Make a remote that releases to a cluster."""
    made = project.parent / "cluster"
    assert gitops("remote", "init", str(made)).code == 0
    file = made / "remote.yaml"
    there = "{kubernetes: {kubeconfig: 'file:kubeconfig', namespace: shop}}"
    text = file.read_text().replace("target: local", f"target: {there}")
    file.write_text(text.replace("database: embedded", "database: none"))
    return made


def test_a_remote_that_does_not_answer_is_named_by_gits_own_reason(site: Site) -> None:
    """git prints four lines; the last of them says only what one might look at."""
    site.git("remote", "add", "gone", "/nonexistent/shop.git")
    try:
        for command in (["status"], ["history"], ["logs"], ["rollback"], ["migrate", "status"]):
            said = gitops(*command, "--remote", "gone", cwd=site.folder)
            assert said.code == 1
            assert "does not appear to be a git repository" in said.err
            assert "next: git remote -v" in said.err
    finally:
        site.git("remote", "remove", "gone")


def test_a_rollback_to_what_is_there_names_a_next_command(site: Site) -> None:
    error = gitops("rollback", "2", "--json", cwd=site.folder).envelope["error"]
    assert (error["code"], error["next"]) == ("rollback.same", "gitops history")


def test_remote_show(site: Site) -> None:
    said = gitops("remote", "show", cwd=site.folder)
    assert said.code == 0, said.err
    assert said.out.splitlines()[1].split() == ["production", "main", "local", "embedded", "pushing"]
    assert str(site.home.repo) in said.out
    assert f"database: {site.home.database}\n" in said.out
    assert site.home.database.is_dir()


def test_an_environment_that_is_not_there_is_answered_with_those_that_are(site: Site) -> None:
    error = gitops("history", "-e", "staging", "--json", cwd=site.folder).envelope["error"]
    assert error["code"] == "release.none"
    assert error["cause"].endswith("has no releases of staging; it has the environments production")
    assert error["next"] == "gitops status"


def test_a_first_release_that_was_refused_can_be_read(project: Path) -> None:
    error = gitops("logs", "--json", cwd=project).envelope["error"]
    assert (error["code"], error["next"]) == ("release.none", "git push gitops main")
    (project / "app.py").write_text("raise SystemExit('no such luck')\n")
    subprocess.run(["git", "commit", "-q", "-a", "-m", "Broken"], cwd=project, check=True)
    pushed = subprocess.run(["git", "push", "gitops", "main"], cwd=project, check=False, capture_output=True)
    try:
        assert pushed.returncode == 1
        assert "no such luck" in gitops("logs", "1", cwd=project).out
        assert gitops("logs", "--json", cwd=project).envelope["data"]["release"] == 1
    finally:
        gitops("down", cwd=project)


def test_no_push_is_advised_of_a_branch_that_releases_nothing(project: Path) -> None:
    def advice() -> str:
        return str(gitops("open", "--json", cwd=project).envelope["error"]["next"])

    assert advice() == "git push gitops main"
    subprocess.run(["git", "switch", "-q", "-c", "master"], cwd=project, check=True)
    pushed = subprocess.run(
        ["git", "push", "gitops", "master"], cwd=project, check=True, capture_output=True, text=True
    )
    assert "master releases to no environment; main does" in pushed.stderr
    assert advice() == "gitops status"
    assert "push main" in gitops("status", cwd=project).out


def test_a_frozen_environment_is_shown_as_such(site: Site) -> None:
    before = site.home.config.read_text()
    try:
        frozen = "target: local\n    policy: {freeze: closed until Monday}"
        site.home.config.write_text(before.replace("target: local", frozen, 1))
        assert "  frozen: closed until Monday\n" in gitops("status", cwd=site.folder).out
        assert "production is frozen: closed until Monday\n" in gitops("remote", "show", cwd=site.folder).out
    finally:
        site.home.config.write_text(before)


# --- these change what is live, so each has a site of its own ---


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Site]:
    """Release 1, then release 2 with a new column."""
    site = make_site(tmp_path)
    try:
        site.release("The first version")
        site.sql("insert into items (name) values ('kept')")
        site.release("Notes", {"page.txt": "two\n", "migrations/versions/0002_note.py": NOTE})
        yield site
    finally:
        site.down()


def test_rollback_is_a_forward_commit_by_an_ordinary_push(own: Site) -> None:
    before = own.git("rev-parse", "HEAD")
    said = gitops("rollback", cwd=own.folder)
    assert said.code == 0, said.out + said.err
    assert own.page() == "one\n"
    assert own.sql("select * from items") == [(1, "kept")]
    assert own.sql("select version_num from alembic_version") == [("0001",)]
    assert own.tip == own.git("rev-parse", "HEAD")
    assert own.git("rev-parse", "HEAD^") == before
    assert own.git("rev-parse", "HEAD^{tree}") == own.git("rev-parse", "HEAD~2^{tree}")
    assert own.git("log", "-1", "--format=%s") == "Roll back to release 1: The first version"
    assert own.git("status", "--porcelain") == ""
    assert "remote:" in said.out


def test_a_rollback_that_loses_data_is_refused_until_accepted(own: Site) -> None:
    own.sql("update items set note = 'precious'")
    before = own.snapshot()
    refused = gitops("rollback", "--json", cwd=own.folder)
    assert refused.code == 1
    assert "note" in refused.envelope["error"]["cause"]
    assert refused.envelope["error"]["next"].startswith("gitops rollback 1 -o accept-loss=items.note")
    assert own.snapshot() == before
    accepted = gitops("rollback", "-o", "accept-loss=items.note", "--json", cwd=own.folder)
    assert accepted.code == 0, accepted.out
    assert accepted.envelope["data"]["release"] == 1
    assert own.page() == "one\n"


def test_rollback_refuses_a_working_tree_with_changes(own: Site) -> None:
    (own.folder / "page.txt").write_text("not committed\n")
    error = gitops("rollback", "--json", cwd=own.folder).envelope["error"]
    assert error["code"] == "rollback.unclean"
    assert own.page() == "two\n"


def test_down_and_recover(own: Site) -> None:
    url = next(iter(own.urls.values()))
    assert gitops("down", cwd=own.folder).code == 0
    assert (
        "Connection refused"
        in subprocess.run(
            ["python3", "-c", f"import urllib.request; urllib.request.urlopen({url!r})"],
            capture_output=True,
            text=True,
            check=False,
        ).stderr
    )
    assert "nothing runs (next: gitops recover)" in gitops("status", cwd=own.folder).out
    said = gitops("recover", cwd=own.folder)
    assert said.code == 0, said.err
    assert own.page() == "two\n"
    assert next(iter(own.urls.values())) == url
    assert "nothing to do" in gitops("recover", cwd=own.folder).out
