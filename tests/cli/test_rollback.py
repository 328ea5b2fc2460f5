"""`gitops rollback` where branches, records and checkouts are not as simple as in the tutorial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import gitops
from tests.support.site import Site, released

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without a database."""
    with released(tmp_path_factory.mktemp("site"), migrations=False) as site:
        yield site


@pytest.fixture
def site(served: Site) -> Iterator[Site]:
    """The same with two releases more, of pages `old` and `new`; its checkout is put back afterwards."""
    config = served.home.config.read_text()
    served.release("Old", {"page.txt": "old\n"})
    served.release("New", {"page.txt": "new\n"})
    yield served
    served.home.config.write_text(config)
    served.back()


def test_it_goes_to_the_branch_that_releases_whatever_was_pushed_with_it(site: Site) -> None:
    assert site.push("main:aaa").code == 0  # releases nothing, and git names it first
    for other in ("main:aaa", ":aaa"):
        site.commit("Newer", {"page.txt": "newer\n"})
        pushed = site.push("main", other)
        assert pushed.code == 0, pushed.text
        said = gitops("rollback", cwd=site.folder)
        assert said.code == 0, said.out + said.err
        assert site.page() == "new\n"
        assert site.tip == site.git("rev-parse", "HEAD")


def test_it_does_not_say_that_it_is_done_when_its_push_released_nothing(site: Site) -> None:
    site.home.config.write_text(site.home.config.read_text().replace("branch: main", "branch: live"))
    said = gitops("rollback", "--json", cwd=site.folder)
    assert said.code == 1, said.out
    error = said.envelope["error"]
    assert error["code"] == "rollback.not-released"
    assert error["cause"] == "main took the push, and nothing was released to production"
    assert error["changed"] == f"{site.tip[:7]} is pushed to main"
    assert site.page() == "new\n"


@pytest.mark.parametrize("behind", [0, 1])
def test_a_checkout_without_commits_of_its_own_is_moved_along(site: Site, behind: int) -> None:
    site.git("reset", "-q", "--hard", f"HEAD~{behind}")
    said = gitops("rollback", "--json", cwd=site.folder)
    assert said.code == 0, said.out
    assert said.envelope["data"]["local_branch"] == "moved"
    assert site.git("rev-parse", "HEAD") == site.tip
    assert site.page() == "old\n"


def test_a_checkout_with_commits_of_its_own_stays(site: Site) -> None:
    site.git("reset", "-q", "--hard", "HEAD~1")
    own = site.commit("Mine", {"mine.txt": ""})
    said = gitops("rollback", cwd=site.folder)
    assert said.code == 0, said.out + said.err
    assert "your branch stayed where it is: main has commits of its own" in said.out
    assert site.git("rev-parse", "HEAD") == own
    assert site.page() == "old\n"


def test_a_new_file_that_the_older_tree_has_keeps_the_checkout_back_and_nothing_else(site: Site) -> None:
    site.release("With notes", {"notes.txt": "released\n"})
    site.git("rm", "-q", "notes.txt")
    site.release("Without", {"page.txt": "newest\n"})
    before = site.git("rev-parse", "HEAD")
    site.write({"notes.txt": "written since\n"})
    said = gitops("rollback", cwd=site.folder)
    assert said.code == 0, said.out + said.err
    lines = said.out.splitlines()
    assert lines[-2].startswith("production is as release")
    assert lines[-1].startswith(
        "your branch stayed where it is: git merge failed: error: The following untracked"
    )
    assert lines[-1].endswith(f"(next: git merge --ff-only {site.tip[:7]})")
    assert site.git("rev-parse", "HEAD") == before
    assert (site.folder / "notes.txt").read_text() == "written since\n"
    assert site.page() == "new\n"
