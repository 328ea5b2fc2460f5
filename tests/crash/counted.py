"""A pytest plugin: ends a run with the number of crash schedules of each kind, from every worker."""

from __future__ import annotations

from collections import Counter
from typing import Any

KEY = "gitops-schedules"
_counts: Counter[str] = Counter()


def pytest_runtest_logreport(report: Any) -> None:
    """Add up what the tests of the sweep have counted."""
    if report.when == "call":
        _counts.update(dict(report.user_properties).get(KEY, {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, if any test of the sweep has run."""
    if not _counts:
        return
    terminalreporter.section("crash schedules")
    for kind, number in _counts.most_common():
        terminalreporter.write_line(f"{number:>8,}  {kind}")
    terminalreporter.write_line(f"{_counts.total():>8,}  in all")
