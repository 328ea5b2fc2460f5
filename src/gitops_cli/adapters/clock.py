"""Time. Nothing is decided by the wall clock; deadlines use the monotonic one."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds since 1970: for people to read."""
    return time.time()


def monotonic() -> float:
    """Seconds from an unknown start that never go back: for deadlines."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Wait that long."""
    time.sleep(seconds)


def stamp(seconds: float) -> str:
    """Write a wall-clock time as people read it: `2026-11-24 04:05:06Z`."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
