"""After a reboot nothing of the remote runs: `gitops recover` starts all of it again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.postgres import server
from tests.kill import family
from tests.kill.flight import Flight
from tests.support.site import migration

if TYPE_CHECKING:
    from tests.support.site import Site


def power_off(site: Site) -> None:
    """Kill everything that runs for a remote, and empty /tmp of it."""
    needles = (str(site.home.path), site.home.digest)
    everything = family.below(1) | family.below(os.getpid())
    tops = [pid for pid, words in everything.items() if any(needle in words for needle in needles)]
    victims = {*tops, *(pid for top in tops for pid in family.below(top))} - {os.getpid()}
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    family.ended(victims)
    family.reap()
    remove_tree(site.home.runtime())


@pytest.mark.row(70)
def test_recover_starts_what_ran(live: Site) -> None:
    before = live.snapshot()
    power_off(live)
    assert server.status(live.home) is None
    said = live.recover()
    assert live.snapshot() == before
    assert any("PostgreSQL" in line for line in said)
    assert any("supervisor" in line for line in said)
    assert live.recover() == []


@pytest.mark.row(70)
@pytest.mark.parametrize("point", ["note migrate #3", "done deploy", "done publish"])
def test_in_the_middle_of_a_release(live: Site, point: str) -> None:
    """`live` goes on with what this leaves, whichever it is."""
    name = f"{len(live.git('log', '--oneline').splitlines()) + 1:04}"
    applied = live.sql("select version_num from alembic_version")[0][0]
    change = migration(
        name, str(applied), f"alter table items add c{name} int", f"alter table items drop c{name}"
    )
    before = live.snapshot()
    wanted = live.commit("Cut off by a power cut", {f"migrations/versions/{name}_x.py": change})
    with Flight(live) as flight:
        # after the last point little is left to do: it may be over before it is stopped
        assert flight.stop_at(point) or point == "done publish"
        family.kill(*flight.family, flight.client)
        power_off(live)
        flight.over()
    live.recover()
    if point == "done publish":
        assert live.tip == wanted
        assert live.sql("select version_num from alembic_version") == [(name,)]
        assert live.page() == "one\n"
        assert live.recover() == []
    else:
        assert live.snapshot() == before


@pytest.mark.parametrize("page", ["one\n", "after the reboot\n"])
def test_a_push_after_a_reboot_starts_what_it_needs(live: Site, page: str) -> None:
    """Also when its tree is the one that was released: whatever the ref names runs."""
    power_off(live)
    live.release("The next version", {"page.txt": page})
    assert live.page() == page
    assert live.recover() == []
