"""A git process with a pipe each way, started without `subprocess`: its import costs more than the process.

pre-push has 120 modules to spend; `subprocess` and what it needs are 12 of them, and 16 to 33 ms.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Child:
    """A process of ours, in a group of its own, its messages dropped. `finish` it."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start it. Raises `Unavailable`."""
        read_in, write_in = os.pipe()
        read_out, write_out = os.pipe()
        try:
            self.pid = os.posix_spawn(
                argv[0],
                list(argv),
                dict(env),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, read_in, 0),
                    (os.POSIX_SPAWN_DUP2, write_out, 1),
                    (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
                ],
                setpgroup=0,
                setsigdef=[signal.SIGPIPE],  # Python ignores it, and git would inherit that
            )
        except OSError as error:
            os.close(write_in)
            os.close(read_out)
            raise Unavailable(
                f"{argv[0]} cannot be started ({error.strerror})", code="process.start"
            ) from error
        finally:
            os.close(read_in)
            os.close(write_out)
        self.stdin = os.fdopen(write_in, "wb", 0)
        self.stdout = os.fdopen(read_out, "rb", 1 << 16)
        self._code: int | None = None

    def wait(self) -> int:
        """Wait for its end and give its exit code (-N for signal N)."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    def finish(self) -> None:
        """Kill it if it still runs, wait for it, close the pipes. Does nothing the second time."""
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own
            self.wait()
        self.stdin.close()
        self.stdout.close()
