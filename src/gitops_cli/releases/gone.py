"""Environments that remote.yaml no longer has, and of which something is still here: renamed, or taken out.

Nobody releases to them any more, so what ran goes on until somebody ends it. Their databases, records and
finished journals stay: whoever puts the environment back goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from gitops_cli.config.remote import Environment
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.releases.held import Held
    from gitops_cli.steps.surroundings import Surroundings


def gone(around: Surroundings) -> Sequence[Environment]:
    """Name those that still run on this machine or have a release that is open, as environments of it."""
    home = around.home
    folders = [path for top in (home.state / "local", home.journals) for path in top.glob("*")]
    names = {unquote(path.name) for path in folders if path.is_dir()} - set(around.remote.environments)
    found = [Environment(name=name, branch="", target="local", database="none") for name in sorted(names)]
    return [each for each in found if runs(around, each) or around.is_open(each.name)]


def runs(around: Surroundings, environment: Environment) -> bool:
    """Say whether its supervisor lives."""
    from gitops_cli.targets.local.client import running  # noqa: PLC0415 - no push needs it

    return running(around.home.local(environment.name)) is not None


def end(held: Held) -> list[str]:
    """Stop what runs of it, and say so. Raises `Unavailable` for a release that is open.

    That one is left as it is: only with the environment's settings can it be finished or taken back.
    """
    around, name = held.around, held.environment.name
    database = _database(held)
    if around.is_open(name):
        raise Unavailable(
            f"remote.yaml no longer has the environment {name}, and a release of it is open{database}",
            code="remote.environment-gone",
            file=str(around.home.config),
            next_command=f"put {name} back, then: gitops recover",
        )
    if not runs(around, held.environment):
        return []
    held.context().target.stop()
    return [f"remote.yaml no longer has the environment {name}: what ran of it is stopped{database}"]


def _database(held: Held) -> str:
    from gitops_cli.adapters.postgres.access import kept_name  # noqa: PLC0415 - only where one is gone

    name = kept_name(held.around.home, held.environment.name)
    return f"; its database {name} is kept in the embedded PostgreSQL" if name else ""
