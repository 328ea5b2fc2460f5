"""What the pusher reads: lines through a queue that drops rather than blocks.

When the client has gone, receive-pack's relay dies but keeps the pipe open: whoever then writes more than
64 KiB to it hangs for ever, and the release with it (measured). So nothing here ever waits for a reader but
`close`, and that for a moment only.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from gitops_cli.adapters import clock
from gitops_cli.adapters.text import safe

if TYPE_CHECKING:
    from gitops_cli.errors import GitopsError

_QUEUE = 64 * 1024
_PIECE = 4096
"""A pipe that polls as writable takes this many bytes at once (PIPE_BUF)."""
_LINE = 500
_LAST_WAIT = 2.0
"""Seconds that `close` waits for a slow reader."""


class Output:
    """Lines for the pusher; watches a release (`pipeline.protocol.Watcher`). No method blocks or raises."""

    def __init__(self, descriptor: int = 2) -> None:
        """Write to `descriptor`, by default standard error, which git shows as `remote: ...`."""
        self._fd = descriptor
        self._queue = bytearray()
        self._dropped = 0
        self._gone = False

    def says(self, text: str) -> None:
        """Print one line, escaped and cut; a text of several lines is printed as that many."""
        for line in text.split("\n"):
            self._line(line)

    def begins(self, step: str) -> None:
        """One line a step: it comes when the step ends."""

    def ends(self, step: str, seconds: float, line: str) -> None:
        """Print the step, its time and its line."""
        self._step(step, seconds, line)

    def fails(self, step: str, seconds: float, reason: str) -> None:
        """Print why the step failed."""
        self._step(step, seconds, f"FAILED: {reason}")

    def undoes(self, step: str, seconds: float) -> None:
        """Print that the step was undone."""
        self._step(step, seconds, "undone")

    def refuses(self, error: GitopsError) -> None:
        """Print the sentence of a refusal, as one line, and a line for each further problem."""
        self._line(f"gitops: {error.sentence()}")
        for line in error.also:
            self._line(f"gitops: also {line}")

    def close(self) -> None:
        """Print what is left, waiting a moment for a slow reader."""
        until = clock.monotonic() + _LAST_WAIT
        while self._queue and not self._gone and (left := until - clock.monotonic()) > 0:
            self._drain(left)

    def _step(self, step: str, seconds: float, line: str) -> None:
        self._line(f"{step:<10} {seconds:6.1f} s  {line}")

    def _line(self, text: str) -> None:
        self._put(safe(text, _LINE).encode("utf-8", "replace") + b"\n")

    def _put(self, line: bytes) -> None:
        if self._gone:
            return
        if len(self._queue) + len(line) > _QUEUE:
            self._dropped += 1
        else:
            if self._dropped:
                self._queue += b"... %d lines were dropped\n" % self._dropped
                self._dropped = 0
            self._queue += line
        self._drain(0)

    def _drain(self, seconds: float) -> None:
        """Write what the reader takes within `seconds`."""
        try:
            while self._queue and not self._gone and select.select([], [self._fd], [], seconds)[1]:
                written = os.write(self._fd, self._queue[:_PIECE])
                del self._queue[:written]
                seconds = 0
        except (OSError, ValueError):  # the pipe is broken or closed: nobody reads any more
            self._gone = True
