"""The client goes away while its push is under way: the release comes to its end all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from tests.kill import family
from tests.kill.flight import Flight
from tests.support.site import GITOPS, migration

if TYPE_CHECKING:
    from tests.support.site import Site

NOISE = """\
jobs:
  noise:
    service: web
    when: before-deploy
    command: [python, -c, "print(('x' * 99 + chr(10)) * 20000, end='')"]
"""


@pytest.mark.row(58)
def test_gone_during_pre_receive(live: Site) -> None:
    """git moves the ref and never runs post-receive: so the release must not need it."""
    note = migration("0002", "0001", "alter table items add note text", "alter table items drop note")
    wanted = live.commit("Nobody waits", {"page.txt": "gone\n", "migrations/versions/0002_note.py": note})
    with Flight(live) as flight:
        assert flight.stop_at("pre-receive") == "pre-receive"
        family.kill(flight.client)
        flight.go_on()
        flight.over()
        flight.settled()
    assert live.tip == wanted
    assert live.page() == "gone\n"
    assert live.sql("select version_num from alembic_version") == [("0002",)]
    assert json.loads(live.snapshot())["left over"] == []
    (standing,) = releases.status(live.home)
    assert (standing.released.commit, standing.ahead, standing.open_release) == (wanted, 0, 0)
    before = live.snapshot()
    assert live.recover() == []
    assert live.snapshot() == before


@pytest.mark.row(57)
@pytest.mark.parametrize("point", ["taken", "begin"])
def test_gone_while_two_megabytes_are_printed(live: Site, point: str) -> None:
    files = {"gitops.yaml": GITOPS + NOISE, "page.txt": f"loud, gone at {point}\n"}
    wanted = live.commit("A loud one", files)
    with Flight(live) as flight:
        flight.stop_at(point)
        family.kill(flight.client)
        flight.go_on()
        flight.over()
        flight.settled()
    (standing,) = releases.status(live.home)
    assert (standing.released.commit, standing.tip, standing.open_release) == (wanted, wanted, 0)
    assert live.page() == f"loud, gone at {point}\n"
    assert json.loads(live.snapshot())["left over"] == []


@pytest.mark.row(57)
def test_two_megabytes_reach_whoever_reads(live: Site) -> None:
    text = live.release("A loud one", {"gitops.yaml": GITOPS + NOISE, "page.txt": "loud\n"})
    assert text.count("noise: " + "x" * 99) + text.count("lines were dropped") > 1
    assert live.page() == "loud\n"
