"""One server for each version and worker; every test takes environments of its own on it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.postgres.access import Access, access
from tests.support import cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitops_cli.adapters.home import Home


@pytest.fixture(scope="session", params=cluster.majors(), ids=lambda major: f"pg{major}")
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A remote with a running server."""
    with cluster.cluster(tmp_path_factory.mktemp("remote"), request.param) as made:
        yield made


@pytest.fixture(scope="session")
def _names() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def make(home: Home, _names: Iterator[int]) -> Callable[[], Access]:
    """Make an environment with an empty database."""
    return lambda: access(home, f"e{next(_names)}", "shop", "embedded")


@pytest.fixture
def live(make: Callable[[], Access]) -> Access:
    """An environment with an empty database."""
    return make()


@pytest.fixture(scope="session", autouse=True)
def _tidy() -> Iterator[None]:
    yield
    cluster.forget_templates()
