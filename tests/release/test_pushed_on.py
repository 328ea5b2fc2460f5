"""A ref that was pushed beside the branch belongs to whoever pushes it next, also before a crash is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from gitops_cli.pipeline.records import Note
from tests.kill import family
from tests.kill.flight import Flight

if TYPE_CHECKING:
    from tests.support.site import Site


def cut_off(site: Site, beside: str, *, moved: int) -> str:
    """Push a next version to `main` and another ref, and kill it when so many refs have moved; give the commit.

    The lock of the refs keeps it from moving any, so that the test says how far it came.
    """
    wanted = site.commit("Cut off", {"page.txt": f"{beside}\n"})
    with Flight(site, ("git", "push", "gitops", "main", f"HEAD:refs/heads/{beside}")) as flight:
        with flight.before_the_refs():
            family.kill(*flight.family, flight.client)
            flight.over()
        (updates,) = [
            e.facts["updates"] for e in flight.records() if isinstance(e, Note) and e.step == "publish"
        ]
    for name, old, new in updates[:moved]:
        site.git(f"--git-dir={site.home.repo}", "update-ref", name, new, old)
    return wanted


def at(site: Site, name: str) -> str:
    """Give what a branch of the remote names."""
    return site.git("ls-remote", str(site.home.repo), f"refs/heads/{name}").partition("\t")[0]


@pytest.mark.row(60)
@pytest.mark.parametrize("moved", [1, 3], ids=["main only", "all"])
@pytest.mark.parametrize("there", [True, False], ids=["moved", "made"])
def test_settled_when_the_other_ref_was_pushed_on(live: Site, moved: int, *, there: bool) -> None:
    """Killed between the renames of `main` and of the rest, or when all had moved."""
    old, beside = live.tip, f"beside-{moved}-{there:d}"
    if there:
        assert live.push(f"{old}:refs/heads/{beside}").code == 0
    wanted = cut_off(live, beside, moved=moved)
    live.git("reset", "-q", "--hard", at(live, beside) or old)
    later = live.commit("Of a colleague")
    pushed = live.push(f"HEAD:refs/heads/{beside}")
    assert pushed.code == 0, pushed.text
    assert any("had been cut off; finished" in line for line in live.recover())
    (standing,) = releases.status(live.home)
    assert (standing.released.commit, standing.tip, standing.open_release) == (wanted, wanted, 0)
    assert (at(live, beside), live.page()) == (later, f"{beside}\n")
    assert live.recover() == []


@pytest.mark.row(60)
def test_settled_when_the_other_ref_has_no_place_any_more(live: Site) -> None:
    old = live.tip
    wanted = cut_off(live, "topic", moved=1)
    assert live.push(f"{old}:refs/heads/topic/a").code == 0
    assert any("had been cut off; finished" in line for line in live.recover())
    assert (live.tip, at(live, "topic"), at(live, "topic/a")) == (wanted, "", old)
    assert live.recover() == []


@pytest.mark.row(60)
@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_all_move_or_none_when_nobody_was_quicker(live: Site, moved: int) -> None:
    old = live.tip
    wanted = cut_off(live, f"quiet-{moved}", moved=moved)
    live.recover()
    assert (live.tip, at(live, f"quiet-{moved}")) == ((wanted, wanted) if moved else (old, ""))
    assert live.recover() == []
