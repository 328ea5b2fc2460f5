"""One scene for each file of tests: every case leaves it ready for the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kill.scene import Scene
from tests.support.site import make_site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def scene(staged: Scene) -> Iterator[Scene]:
    """The scene of the file."""
    yield staged
    staged.tidy()


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A site with its first version live."""
    site = make_site(tmp_path_factory.mktemp("site"))
    try:
        found = Scene(site)
        found.start()
        yield found
    finally:
        site.down()
