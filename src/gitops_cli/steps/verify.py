"""Verify: the checks of gitops.yaml, asked of the version that is about to be published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters import clock
from gitops_cli.errors import Failed
from gitops_cli.steps.base import ReadingStep
from gitops_cli.steps.jobs import allowed_seconds, run_checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.config.project import Check
    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.targets.protocol import Target


class Verify(ReadingStep):
    """Reads only; a check that fails undoes the release."""

    name = "verify"

    def plan(self, release: Release) -> Sequence[str]:
        """Name the checks."""
        return [f"check {name}" for name in self._context.content(release.commit).project.checks]

    def do(self, release: Release, record: Record) -> str:
        """Run every check."""
        wanted = self._context.wanted(release)
        count = run_checks(self._context, wanted, record)
        for name, check in wanted.project.checks.items():
            if check.http:
                seconds = allowed_seconds(self._context, check.timeout_seconds)
                _ask(name, check, self._context.target, seconds)
                count += 1
        return f"{count} check{'s'[: count != 1]}" if count else "no checks"


def _ask(name: str, check: Check, target: Target, seconds: float) -> None:
    """Ask until it answers with 2xx or 3xx or the check's time is over."""
    deadline = clock.monotonic() + seconds
    while True:
        answer = target.answers(check.service, check.http, timeout=seconds)
        if answer is None:
            raise Failed(
                f"check {name} needs a Service with a port, and there is none", code="verify.no-service"
            )
        status, reason = answer
        if 200 <= status < 400:  # noqa: PLR2004 - HTTP success and redirection
            return
        if clock.monotonic() > deadline:
            raise Failed(
                f"check {name}: {check.http} answered {status or 'nothing'} ({reason})", code="verify.http"
            )
        clock.pause(0.2)
