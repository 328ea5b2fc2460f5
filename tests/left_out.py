"""A pytest plugin: a run that leaves tests to another nox session says how many, and how to run them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.rows import session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = "gitops-left-out"
_counts: Counter[str] = Counter()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count by session."""
    _counts.update(filter(None, map(session_of, items)))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """On a worker: tell the controller."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_KEY] = dict(_counts)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """On the controller: every worker has left out the same."""
    _counts.update(Counter(getattr(node, "workeroutput", {}).get(_KEY, {})) - _counts)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say it in the last lines."""
    for session, number in sorted(_counts.items()):
        tests = "test" if number == 1 else "tests"
        terminalreporter.write_line(
            f"left out: {number} {tests}; run them with: nox -s {session}", yellow=True
        )
