"""`gitops open`: a URL of a service that works from this machine, as long as somebody looks at it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitops_cli.errors import Refused
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.steps.surroundings import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.scaffold.known import Known
    from gitops_cli.targets.protocol import Door


@contextmanager
def opened(known: Known, environment: str, service: str) -> Iterator[Door]:
    """Give the door to a service. Raises `Refused` when there is none, or the remote is somewhere else."""
    if known.home is None:
        raise Refused(
            f"{known.remote} is not on this machine; its operator knows where the app is",
            code="open.elsewhere",
            next_command="gitops status",
        )
    with surroundings(known.home) as around:
        context = around.context(around.environment(known.choose(environment)), SILENT)
    with context.target.door(service) as door:
        if door is None and not context.target.live().commit:
            raise Refused(
                f"nothing of {context.environment.name} was released to where it runs now",
                code="open.not-released",
                next_command="gitops recover",
            )
        if door is None:
            what = f"there is no service {service} with a port" if service else "no service has a port"
            raise Refused(what, code="open.none", next_command="gitops status")
        yield door
