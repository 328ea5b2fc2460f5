"""A pytest plugin: which test shows which row of the list of bad inputs. With `--rows` a gap fails the run.

`row` marks name the rows. Tests that this run leaves out for their mark `crash` or `cluster` count as shown
by the session of that name; tests that failed or were skipped count for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

WANTED = (
    3, *range(5, 9), 10, 13, *range(17, 21), *range(23, 26), *range(27, 35),
    *range(36, 40), *range(56, 64), 65, *range(73, 77),
)  # fmt: skip
"""The rows that a release on one machine must show, and those of what no cluster is asked."""
_KEY = "gitops-rows"
SESSIONS = ("cluster", "crash")
"""Marks of tests that a session of the same name runs; a test with both marks is of the first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rows", action="store_true", help="print the table row -> test; fail when a row has none"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Rows(config), "gitops-rows-table")


def rows_of(item: pytest.Item) -> list[int]:
    """Give the numbers of every `row` mark of a test."""
    return sorted({number for mark in item.iter_markers("row") for number in mark.args})


def session_of(item: pytest.Item) -> str | None:
    """Name the nox session that runs a test, if it is not `tests`."""
    return next((session for session in SESSIONS if item.get_closest_marker(session)), None)


class Rows:
    """Collects on each worker, tells on the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.passed: dict[int, set[str]] = defaultdict(set)
        self.failed: dict[int, set[str]] = defaultdict(set)
        self.elsewhere: dict[int, set[str]] = defaultdict(set)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            numbers = rows_of(item)
            item.user_properties.append((_KEY, numbers))
            session = session_of(item)
            if session is not None:
                for number in numbers:
                    self.elsewhere[number].add(f"{item.nodeid} (nox -s {session})")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = [value for key, value in report.user_properties if key == _KEY]
        for number in found[0] if found and isinstance(found[0], list) else ():
            if report.when == "call" and report.passed:
                self.passed[number].add(report.nodeid)
            elif not report.passed:
                self.failed[number].add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output: dict[str, Any] | None = getattr(self.config, "workeroutput", None)
        if output is not None:
            output[_KEY] = {str(number): sorted(names) for number, names in self.elsewhere.items()}
        elif self.config.getoption("--rows") and self.gaps() and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        for number, names in getattr(node, "workeroutput", {}).get(_KEY, {}).items():
            self.elsewhere[int(number)].update(names)

    def gaps(self) -> list[int]:
        """Give the rows that no test shows."""
        return [number for number in WANTED if not self.shown(number)]

    def shown(self, number: int) -> list[str]:
        """Name the tests that show a row, those of other sessions last."""
        here = self.passed[number] - self.failed[number]
        elsewhere = {name for name in self.elsewhere[number] if name.split(" (nox")[0] not in here}
        return sorted(here) + sorted(elsewhere)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.config.getoption("--rows"):
            return
        terminalreporter.section("rows of the list of bad inputs")
        for number in WANTED:
            names = self.shown(number)
            more = f"  (+{len(names) - 1} more)" if len(names) > 1 else ""
            terminalreporter.write_line(f"{number:>4}  {names[0] + more if names else 'NO TEST'}")
        if self.gaps():
            terminalreporter.write_line(f"rows without a test: {', '.join(map(str, self.gaps()))}", red=True)
