"""`gitops logs`: what a release printed (over git), or what a service prints (a remote on this machine)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.errors import Refused
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.steps.surroundings import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.scaffold.known import Known


def of_release(known: Known, environment: str, number: int) -> list[str]:
    """Give every line that a release printed (0: the last release). Raises `Refused`."""
    name = known.choose(environment)
    for recorded in known.releases(name):
        if number in (0, recorded.told.release.number):
            return known.output(recorded.record).splitlines()
    for told in known.not_released(name):
        if told.release.number == number:
            steps = [f"{step}: {line} ({seconds:.1f} s)" for step, seconds, line in told.steps]
            return [*steps, f"{told.outcome} in {told.stage}: {told.reason}"]
    raise Refused(f"{name} has no release {number}", code="release.none", next_command="gitops history")


def of_service(known: Known, environment: str, service: str, *, follow: bool, lines: int) -> Iterator[str]:
    """Give what a service printed. Raises `Refused` when the remote is not on this machine."""
    if known.home is None:
        raise Refused(
            f"{known.remote} is not on this machine, and git carries no logs of services",
            code="logs.elsewhere",
            next_command="gitops logs",
        )
    around = surroundings(known.home)
    context = around.context(around.environment(known.choose(environment)), SILENT)
    return context.target.logs(service, follow=follow, lines=lines)
