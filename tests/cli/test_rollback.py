"""`gitops rollback` where branches, records and checkouts are not as simple as in the tutorial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import gitops
from tests.support.site import Site, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without a database."""
    site = make_site(tmp_path_factory.mktemp("site"), migrations=False)
    try:
        site.release("The first version")
        yield site
    finally:
        site.down()


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
