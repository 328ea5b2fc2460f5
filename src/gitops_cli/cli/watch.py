"""A watcher of releases that tells a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitops_cli.cli.render import Out


class Told:
    """One line a step, as a pusher sees it."""

    def __init__(self, out: Out) -> None:
        """`out` is where lines go."""
        self._out = out

    def begins(self, step: str) -> None:
        """Show it on a terminal; the line that stays comes with the end of the step."""
        self._out.hint(f"{step} ...")

    def ends(self, step: str, seconds: float, line: str) -> None:
        """Say what a step did."""
        self._out.say(f"{step:<9} {seconds:6.1f} s  {line}")

    def fails(self, step: str, seconds: float, reason: str) -> None:
        """Say why a step failed."""
        self._out.say(f"{step:<9} {seconds:6.1f} s  failed: {reason}")

    def undoes(self, step: str, seconds: float) -> None:
        """Say that a step was undone."""
        self._out.say(f"{step:<9} {seconds:6.1f} s  undone")

    def says(self, text: str) -> None:
        """Say a line in between."""
        self._out.say(f"  {text}")
