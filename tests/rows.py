"""A pytest plugin: which test shows which row of the list of bad inputs. With `--rows` a gap fails the run.

`row` marks name the rows. Tests that this run leaves out for their mark `crash` count as shown by
`nox -s crash`; tests that failed or were skipped count for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

WANTED = (
    3, *range(5, 9), 10, 13, *range(17, 21), *range(23, 26), 27, 28,
    *range(36, 40), *range(56, 64), 65, *range(73, 77),
)  # fmt: skip
"""The rows that the release on one machine must show."""
_KEY = "gitops-rows"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rows", action="store_true", help="print the table row -> test; fail when a row has none"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Rows(config), "gitops-rows-table")


def rows_of(item: pytest.Item) -> list[int]:
    """Give the numbers of every `row` mark of a test."""
    return sorted({number for mark in item.iter_markers("row") for number in mark.args})


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
            if item.get_closest_marker("crash"):
                for number in numbers:
                    self.elsewhere[number].add(item.nodeid)

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
        """Name the tests that show a row, those of `nox -s crash` last."""
        here = sorted(self.passed[number] - self.failed[number])
        return here + [f"{name} (nox -s crash)" for name in sorted(self.elsewhere[number] - set(here))]

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
