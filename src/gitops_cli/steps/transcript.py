"""A watcher that passes everything on and keeps it for the record of the release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.text import safe

if TYPE_CHECKING:
    from gitops_cli.pipeline.protocol import Watcher

KEPT_LINES = 2000
"""A release that prints more is cut here in its record; the pusher sees all of it."""


def step_line(step: str, seconds: float, said: str) -> str:
    """Write the line of a step as every record of a release has it."""
    return f"{step:<9} {seconds:6.1f} s  {said}"


class Transcript:
    """Hears what the pusher hears; `output.txt` of the release is made of it."""

    def __init__(self, watch: Watcher) -> None:
        """Pass everything on to `watch`."""
        self._watch = watch
        self._lines: list[str] = []
        self.steps: list[tuple[str, float, str]] = []

    def _keep(self, line: str) -> None:
        if len(self._lines) < KEPT_LINES:
            self._lines.append(line)

    def text(self) -> str:
        """Everything heard so far, a line each."""
        return "".join(f"{line}\n" for line in self._lines)

    def begins(self, step: str) -> None:
        """Pass it on."""
        self._watch.begins(step)

    def ends(self, step: str, seconds: float, line: str) -> None:
        """Keep the step with its time and pass it on."""
        self.steps.append((step, round(seconds, 3), line))
        self._keep(step_line(step, seconds, safe(line)))
        self._watch.ends(step, seconds, line)

    def fails(self, step: str, seconds: float, reason: str) -> None:
        """Keep the reason and pass it on."""
        self._keep(step_line(step, seconds, f"failed: {safe(reason, 1000)}"))
        self._watch.fails(step, seconds, reason)

    def undoes(self, step: str, seconds: float) -> None:
        """Keep what was put back and pass it on."""
        self._keep(step_line(step, seconds, "put back"))
        self._watch.undoes(step, seconds)

    def says(self, text: str) -> None:
        """Keep the line and pass it on."""
        self._keep(f"  {safe(text, 1000)}")
        self._watch.says(text)
