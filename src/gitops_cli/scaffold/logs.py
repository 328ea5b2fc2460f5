"""`gitops logs`: what a release printed (over git), or what a service prints (a remote on this machine)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.errors import Refused
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.steps.surroundings import surroundings
from gitops_cli.steps.transcript import step_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.pipeline.model import Finished
    from gitops_cli.scaffold.known import Known


def of_release(known: Known, environment: str, number: int) -> tuple[int, list[str]]:
    """Give a release's number and every line that it printed (0: the last one).

    Of a refused release the remote's disk tells the steps. Raises `Refused`.
    """
    name = known.choose(environment, released=False)
    for recorded in known.releases(name):
        found = recorded.told.release.number
        if number in (0, found):
            return found, known.output(recorded.record).splitlines()
    for told in known.not_released(name):
        if number in (0, told.release.number):
            return told.release.number, _steps(told)
    if not number:
        known.choose(environment)  # it has nothing: this says how to begin
    raise Refused(f"{name} has no release {number}", code="release.none", next_command="gitops history")


def _steps(told: Finished) -> list[str]:
    steps = [step_line(step, seconds, said) for step, seconds, said in told.steps]
    return [*steps, f"{told.outcome} in {told.stage}: {told.reason}"]


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
