"""A pytest plugin: ends a run with the kill matrix, victim by record, from every worker."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "gitops-kills"
_cases: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))


def told(tell: Callable[[str, object], None], victim: str, point: str, outcome: str) -> None:
    """Let a test say what died where, and how it ended; `tell` is pytest's `record_property`."""
    tell(KEY, [victim, point, outcome])


def pytest_runtest_logreport(report: Any) -> None:
    """Collect what the tests of the matrix have told."""
    if report.when == "call":
        for key, value in report.user_properties:
            if key == KEY:
                victim, point, outcome = value
                _cases[point][victim].append(outcome if report.passed else "WRONG")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, if any test of the matrix has run."""
    if not _cases:
        return
    terminalreporter.section("kill matrix: what died where -> old or new")
    for point in sorted(_cases, key=_order):
        ends = [f"{victim} {_ends(found)}" for victim, found in sorted(_cases[point].items())]
        terminalreporter.write_line(f"{point:<20}  {', '.join(ends)}")
    total = Counter(end for row in _cases.values() for found in row.values() for end in found)
    ways = ", ".join(f"{number} {end}" for end, number in total.most_common())
    terminalreporter.write_line(f"{total.total()} kills: {ways}")


def _ends(found: list[str]) -> str:
    return "/".join(f"{end}{f' x{number}' if number > 1 else ''}" for end, number in Counter(found).items())


def _order(point: str) -> tuple[int, str]:
    from tests.kill.flight import EARLY, RECORDS  # the package may not be importable before the tests are

    known = [*EARLY, *RECORDS]
    return (known.index(point) if point in known else len(known), point)
