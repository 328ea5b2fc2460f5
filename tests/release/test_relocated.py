"""The folder of a remote is moved: its data comes along or is asked for, and is never begun anew."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from gitops_cli.adapters.created import Created
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres import server
from gitops_cli.errors import Unavailable
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.scaffold.remote import make_remote
from tests.support.site import Site, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[tuple[Site, Path]]:
    """A site whose remote was stopped and moved, and where its data lay before."""
    site = make_site(tmp_path)
    try:
        site.release()
        site.sql("insert into items (name) values ('kept')")
        releases.down(site.home, SILENT)
        there = Site(site.folder, Home(tmp_path / "moved"))
        site.home.path.rename(there.home.path)
        with Created() as created:
            assert not make_remote(there.home, "main", created).new
        site.git("remote", "set-url", "gitops", str(there.home.repo))
        yield there, site.home.database
        there.down()
    finally:
        server.destroy(site.home)


def test_a_moved_remote_goes_on_with_its_data(moved: tuple[Site, Path]) -> None:
    site, old = moved
    if os.geteuid() == 0:  # root's data lies elsewhere and stayed there
        text = site.refused({"page.txt": "two\n"})
        says = f"is not in {site.home.database}, but in {old}: the remote was moved; next: mv {old} "
        assert says in text
        assert "could not be taken back" not in text
        with pytest.raises(Unavailable, match="the remote was moved"):
            site.recover()
        assert not site.home.database.exists()
        old.rename(site.home.database)
    assert "started release 1" in " ".join(site.recover())
    assert site.page() == "one\n"
    assert site.recover() == []
    site.release("Another", {"page.txt": "two\n"})
    assert (site.page(), site.sql("select name from items")) == ("two\n", [("kept",)])
