"""Run a command to its end from a process that has no event loop: a hook, a terminal."""

from __future__ import annotations

import os
import selectors
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from gitops_cli.adapters import clock, processes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

TAIL = 20
MOST_LINE = 8 * 1024
_CHUNK = 65536


class Ended(NamedTuple):
    """How it ended; `code` is None when its time was over. The lines are hostile."""

    code: int | None
    tail: list[str]


def run_caged(
    start: Callable[[int], subprocess.Popen[bytes]], *, timeout: float, tell: Callable[[str], None]
) -> Ended:
    """Start with `start(descriptor for its output)`, hear every line, end it after `timeout` seconds."""
    reading, writing = os.pipe()
    try:
        process = start(writing)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    tail: deque[str] = deque(maxlen=TAIL)

    def hear(line: bytes) -> None:
        text = line[:MOST_LINE].decode("utf-8", "backslashreplace")
        tail.append(text)
        tell(text)

    try:
        finished = _read(reading, process, clock.monotonic() + timeout, hear)
    finally:
        process.kill()  # whatever it left behind dies with it
        code = process.wait()
        processes.forget(process)
        os.close(reading)
    return Ended(code if finished else None, list(tail))


def _read(
    reading: int, process: subprocess.Popen[bytes], deadline: float, hear: Callable[[bytes], None]
) -> bool:
    """Read until the process has ended; False when the deadline came first."""
    os.set_blocking(reading, False)
    rest = b""
    watcher = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(watcher, selectors.EVENT_READ)
            selector.register(reading, selectors.EVENT_READ)
            while True:
                left = deadline - clock.monotonic()
                ready = {key.fd for key, _ in selector.select(left)} if left > 0 else set()
                if not ready:
                    return False
                data = _take(reading)
                if not data and reading in ready:  # it has closed its output, and may still run
                    selector.unregister(reading)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    hear(line)
                rest = rest[-MOST_LINE:]
                if watcher in ready and not data:
                    process.wait()
                    return True
    finally:
        os.close(watcher)
        if rest:
            hear(rest)


def _take(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return b""
