"""3,000 ConfigMaps: requests counted by the server, and the time of the apply step beside kubectl's."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.kubernetes.shop import config_map

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.cluster.audit import Window
    from tests.kubernetes.shop import Shop

    Audit = Callable[..., AbstractContextManager[Window]]

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
COUNT = 3000
TEXT = "x" * 600
KUBECTL = 0.6
"""The goal for the apply step, in parts of kubectl's time; printed, as this machine is shared."""


def many(count: int, first: str = "0") -> dict[str, str]:
    """Write so many ConfigMaps, 500 a file; a file that would hold none says so."""
    maps = [
        config_map(f"c{number:04}", text=TEXT, number=first if number == 0 else str(number))
        for number in range(count)
    ]
    return {
        f"deploy/many-{start}.yaml": "---\n".join(maps[start : start + 500]) or "# none\n"
        for start in range(0, COUNT, 500)
    }


def test_three_thousand(
    shop: Shop, make_namespace: Callable[..., str], audit: Audit, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.site.commit("First", many(COUNT))
    with audit(shop.namespace) as first:
        began = time.monotonic()
        pushed = shop.site.push()
        whole = time.monotonic() - began
    assert pushed.code == 0, pushed.text
    told = pushed.text
    assert first.count(verb="patch", dry_run=True) == COUNT
    assert first.count(verb="patch", dry_run=False) == COUNT
    assert len(first.requests) <= 2 * COUNT + 10
    deploy = float(re.search(r"deploy +([\d.]+) s", told)[1])  # type: ignore[index]  # or the test fails here
    elsewhere = make_namespace()
    began = time.monotonic()
    shop.cluster.kubectl("apply", "--server-side", "-n", elsewhere, "-f", str(shop.site.folder / "deploy"))
    kubectl = time.monotonic() - began
    with capsys.disabled():
        print(  # noqa: T201 - figures
            f"\napply of {COUNT}: {deploy:.1f} s, kubectl {kubectl:.1f} s, ratio {deploy / kubectl:.2f} (goal {KUBECTL}); "
            f"the whole push, dry runs and all: {whole:.1f} s"
        )

    with audit(shop.namespace) as unchanged:
        shop.site.release("Unchanged", {"README": "x\n"})
    assert [request.verb for request in unchanged.requests] == ["list"]

    with audit(shop.namespace) as one:
        shop.site.release("One changed", many(COUNT, "new"))
    assert [request.name for request in one.requests if request.writes] == ["c0000"]
    assert len(one.requests) <= 1 + 3

    with audit(shop.namespace) as half:
        shop.site.release("Half removed", many(COUNT // 2, "new"))
    assert half.count(verb="delete") == COUNT // 2
    assert len(half.requests) <= COUNT // 2 + 3
    assert len(shop.names()) == COUNT // 2
