"""Which level works here: each is really tried, by a cage that starts nothing."""

from __future__ import annotations

import functools
import os

from gitops_cli.adapters import processes
from gitops_cli.adapters.sandbox.levels import Cage, Level, Probe
from gitops_cli.adapters.sandbox.starting import start
from gitops_cli.errors import Unavailable

_ORDER = (Level.UID, Level.USERNS, Level.LANDLOCK)


@functools.cache
def _refusal(level: Level) -> str:
    """Try a level; give why it cannot be had, or nothing."""
    if level is Level.NONE:
        return ""
    if level is Level.UID and os.geteuid():
        return "needs root"
    try:
        with open(os.devnull, "r+b") as null:  # noqa: PTH123 - one name, three streams
            child = start(Cage(level=level), (), env={}, stdin=null, stdout=null, stderr=null)
    except Unavailable as error:
        return error.cause
    code = child.wait()
    processes.forget(child)
    return f"its trial ended with {code}" if code else ""


def probe(level: Level | None = None) -> Probe:
    """Give the strongest level that works here, with the reasons against stronger ones.

    With `level`, ask for that one alone: it, or `none` with the reason. About 30 ms a level, once a process.
    """
    reasons: list[str] = []
    for each in _ORDER if level is None else (level,):
        refusal = _refusal(each)
        if not refusal:
            return Probe(each, "; ".join(reasons))
        reasons.append(f"{each.value}: {refusal}")
    return Probe(Level.NONE, "; ".join(reasons))
