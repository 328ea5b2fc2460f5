"""One site that serves its first version, shared by the tests of a file that leave it as it was."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pytest reads the annotation
from typing import TYPE_CHECKING

import pytest

from tests.support.site import Site, make_site, released

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with its first version live."""
    with released(tmp_path_factory.mktemp("site")) as site:
        site.sql("insert into items (name) values ('kept')")
        yield site


@pytest.fixture
def live(served: Site) -> Iterator[Site]:
    """The shared site; its checkout is put back afterwards."""
    yield served
    served.back()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Site]:
    """A site of one's own; nothing is pushed yet."""
    site = make_site(tmp_path)
    try:
        yield site
    finally:
        site.down()
