"""Reads what a process prints: into its log, at a bounded pace, never more than a chunk in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.targets.local.logs import LogWriter

CHUNK = 64 * 1024
MOST_A_SECOND = 2 * 1024 * 1024
"""Bytes; beyond that the application waits for its own printing."""


class Output:
    """One pipe from a process."""

    def __init__(self, descriptor: int, log: LogWriter, tell: Callable[[str], None]) -> None:
        """Take over the reading end; `tell` gets each line."""
        self._descriptor = descriptor
        self._log = log
        self._tell = tell
        self._budget = MOST_A_SECOND
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(1, self._refill)
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def _refill(self) -> None:
        self._timer = self._loop.call_later(1, self._refill)
        if self._budget <= 0 and self._descriptor >= 0:
            self._loop.add_reader(self._descriptor, self._read)
        self._budget = MOST_A_SECOND

    def _read(self) -> bool:
        """Take a chunk; False at the end."""
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._descriptor)
            return False
        self._budget -= len(data)
        if self._budget <= 0:
            self._loop.remove_reader(self._descriptor)
        for line in self._log.feed(data):
            self._tell(line)
        return True

    def close(self) -> None:
        """Take what is left in the pipe (at most what a pipe holds) and let go."""
        if self._descriptor < 0:
            return
        for _ in range(16):
            if not self._read():
                break
        self._timer.cancel()
        self._loop.remove_reader(self._descriptor)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1
        for line in self._log.finish():
            self._tell(line)
