"""`release: following`: the push is accepted once it validates, and post-receive releases what has moved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from gitops_cli.errors import PolicyRefused, Refused
from gitops_cli.pipeline.journal import Journal
from gitops_cli.pipeline.protocol import SILENT
from tests.kill import family
from tests.kill.flight import Flight
from tests.support.site import make_site, migration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.steps.standing import Standing
    from tests.support.site import Site

NOTE = {
    "migrations/versions/0002_note.py": migration(
        "0002", "0001", "alter table items add note text", "alter table items drop note"
    )
}
DEAD = {"app.py": "raise SystemExit(3)\n"}


@pytest.fixture
def follower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with its first version live, whose production follows `main`."""
    site = make_site(tmp_path_factory.mktemp("site"))
    config = site.home.config
    config.write_text(config.read_text().replace("branch: main", "branch: main\n    release: following"))
    try:
        text = site.release("The first version")
        assert "publish" in text
        site.sql("insert into items (name) values ('kept')")
        yield site
    finally:
        site.down()


def standing(site: Site) -> Standing:
    (found,) = releases.status(site.home)
    return found


def without_main(picture: str) -> dict[str, object]:
    """Give a picture without the ref that moves in this mode whatever becomes of the release."""
    found: dict[str, dict[str, object]] = json.loads(picture)
    found["refs"].pop("refs/heads/main")
    return dict(found)


def test_what_validates_is_accepted_and_released(follower: Site) -> None:
    first = follower.tip
    assert (standing(follower).released.commit, standing(follower).ahead) == (first, 0)
    text = follower.release("The next version", NOTE | {"page.txt": "two\n"})
    for step in ("validate", "rehearse", "migrate", "deploy", "publish"):
        assert step in text
    assert follower.page() == "two\n"
    assert follower.sql("select version_num from alembic_version") == [("0002",)]
    assert standing(follower).released.commit == follower.tip != first
    assert follower.recover() == []


def test_what_does_not_validate_is_refused(follower: Site) -> None:
    follower.git("rm", "-q", "gitops.yaml")
    assert "no gitops.yaml at the top of" in follower.refused()


def stays_frozen(site: Site) -> None:
    """Check that nobody tries again what a branch that is ahead names, while the environment is frozen."""
    config, tries = site.home.config, Journal(site.home.journal("production")).next_number()
    plain = config.read_text()
    config.write_text(plain.replace("branch: main", "policy: {freeze: until Monday}\n    branch: main"))
    for attempt in (site.recover, lambda: releases.tend(site.home, "production", SILENT, heal=False)):
        with pytest.raises(PolicyRefused, match="production is frozen: until Monday"):
            attempt()
    assert Journal(site.home.journal("production")).next_number() == tries
    config.write_text(plain)


def is_tried_again_once_remote_yaml_has_changed(site: Site) -> None:
    """Check that the agent leaves alone what was refused just now, and says the same again."""
    journal, said = Journal(site.home.journal("production")), []
    tries = journal.next_number()
    for expected in (tries + 1, tries + 1, tries + 1):  # it was changed and put back since the last attempt
        with pytest.raises(Refused, match="twice before it was ready") as refusal:
            releases.tend(site.home, "production", SILENT, heal=False)
        said.append(refusal.value.sentence())
        assert journal.next_number() == expected
    assert len(set(said)) == 1


def test_a_release_that_fails_leaves_the_ref_ahead_until_it_is_mended(follower: Site) -> None:
    before, live = without_main(follower.snapshot()), follower.tip
    bad = follower.commit("It never becomes ready", NOTE | DEAD)
    pushed = follower.push()
    assert pushed.code == 0, pushed.text
    assert "ended with 3 twice before it was ready" in pushed.text
    assert without_main(follower.snapshot()) == before
    assert follower.tip == bad
    told = standing(follower)
    assert (told.mode, told.ahead, told.released.commit, told.live.commit) == ("following", 1, live, live)
    with pytest.raises(Refused, match="twice before it was ready"):
        follower.recover()
    assert without_main(follower.snapshot()) == before
    stays_frozen(follower)
    is_tried_again_once_remote_yaml_has_changed(follower)
    follower.git("revert", "--no-edit", bad)
    follower.release("Mended", NOTE | {"page.txt": "mended\n"})
    assert follower.page() == "mended\n"
    assert standing(follower).ahead == 0


@pytest.mark.row(58)
def test_a_client_that_has_gone_leaves_the_rest_to_recover(follower: Site) -> None:
    """git runs no post-receive then; nobody else heard of the push."""
    before, live = without_main(follower.snapshot()), follower.tip
    wanted = follower.commit("Nobody waits", NOTE | {"page.txt": "late\n"})
    with Flight(follower) as flight:
        assert flight.stop_at("pre-receive")
        family.kill(flight.client)
        flight.go_on()
        flight.over()
    assert follower.tip == wanted
    assert without_main(follower.snapshot()) == before
    assert (standing(follower).ahead, standing(follower).released.commit) == (1, live)
    assert follower.recover() == [f"production follows main: released {wanted[:7]}"]
    assert follower.page() == "late\n"
    assert (standing(follower).ahead, standing(follower).released.commit) == (0, wanted)


def test_the_options_of_a_push_are_those_of_the_release_that_follows(follower: Site) -> None:
    follower.release("A note", NOTE)
    follower.sql("update items set note = 'written'")
    follower.git("rm", "-q", *NOTE)
    follower.commit("Back")
    pushed = follower.push()
    assert pushed.code == 0
    assert "going back would lose" in pushed.text
    assert "push a new commit, with the options (-o) that it needs" in pushed.text
    wanted = follower.commit("Back, whatever is lost")
    with Flight(follower, ("git", "push", "-o", "accept-loss=items.note", "gitops", "main")) as flight:
        assert flight.stop_at("pre-receive")
        family.kill(flight.client)  # so post-receive never runs
        flight.go_on()
        flight.over()
    assert follower.recover() == [f"production follows main: released {wanted[:7]}"]
    assert follower.sql("select * from items") == [(1, "kept")]


@pytest.mark.row(60)
@pytest.mark.parametrize("victim", ["hook", "receive-pack"])
@pytest.mark.parametrize("point", ["note migrate #3", "done deploy", "note publish", "done publish"])
def test_killed_in_post_receive(follower: Site, victim: str, point: str) -> None:
    wanted = follower.commit("It will be cut off", NOTE | {"page.txt": "cut off\n"})
    with Flight(follower) as flight:
        if not flight.stop_at(point):
            assert point == "done publish"  # little is left to do then: it may be over before it is stopped
        else:
            assert "post-receive" in family.below(flight.client)[flight.hook]
        family.kill(flight.hook if victim == "hook" else flight.receiver)
        flight.go_on()
        flight.over()
    assert follower.tip == wanted
    follower.recover()
    assert follower.page() == "cut off\n"
    assert follower.sql("select name, note from items") == [("kept", None)]
    assert (standing(follower).ahead, standing(follower).open_release) == (0, 0)
    assert json.loads(follower.snapshot())["left over"] == []
