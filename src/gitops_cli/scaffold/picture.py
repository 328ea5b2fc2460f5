"""What a refused push must leave as it was, to compare: refs, schema, rows, processes and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli import releases
from gitops_cli.adapters import web
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.postgres import fingerprint
from gitops_cli.adapters.postgres.access import access
from gitops_cli.adapters.postgres.connect import connect
from gitops_cli.steps.surroundings import surroundings

if TYPE_CHECKING:
    from gitops_cli.adapters.home import Home

PAGE_SECONDS = 10.0


class Picture(msgspec.Struct, frozen=True):
    """One environment at one moment."""

    refs: dict[str, str]
    schema: str
    rows: dict[str, tuple[int, str]]
    """Number and hash of the rows of each table."""
    processes: tuple[int, ...]
    page: str


def urls(home: Home, environment: str) -> dict[str, str]:
    """Give the URL of each Service."""
    standing = next(each for each in releases.status(home) if each.name == environment)
    return dict(standing.live.urls)


def picture(home: Home, environment: str, project: str) -> Picture:
    """Look at everything that a push may move. Raises `Unavailable` when something does not answer."""
    standing = next(each for each in releases.status(home) if each.name == environment)
    with Repo(home.repo) as repo:
        refs = repo.refs("refs")
    setting = surroundings(home).environment(environment).database
    # as the app: reading rows runs what their owner attached to the tables
    with connect(
        access(home, environment, project, setting).app_url, application_name="gitops demo"
    ) as connection:
        schema, rows = fingerprint.take(connection).digest, fingerprint.rows_digest(connection)
    return Picture(
        refs=refs,
        schema=schema,
        rows=rows,
        processes=tuple(process.pid for process in standing.live.processes),
        page=web.page(next(iter(standing.live.urls.values())), PAGE_SECONDS),
    )
