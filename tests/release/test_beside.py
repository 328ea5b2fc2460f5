"""A push of `main` beside a ref that git or we refuse: nothing at all moves, with and without --atomic."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.site import migration
from tests.support.speaking import ZERO, pack_of, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.site import Site

NEXT = {
    "page.txt": "two\n",
    "migrations/versions/0002_next.py": migration(
        "0002", "0001", "alter table items add note text", "alter table items drop note"
    ),
}
ATOMIC = pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "plain"])
MISSING = "1" * 40
BESIDE = {
    "hidden": [(ZERO, "NEW", b"refs/gitops/releases/other")],
    "hidden, of a release": [(ZERO, "NEW", b"refs/gitops/releases/production")],
    "missing object": [(ZERO, MISSING, b"refs/heads/side")],
    "newline": [(ZERO, "NEW", b"refs/heads/a\nb")],
    "newline that forges a ref": [
        (ZERO, "NEW", b"refs/heads/a\n%s %s refs/heads/b" % (b"0" * 40, b"1" * 40))
    ],
    "dots": [(ZERO, "NEW", b"refs/heads/../../config")],
    "dots within": [(ZERO, "NEW", b"refs/heads/a..b")],
    "space": [(ZERO, "NEW", b"refs/heads/a b")],
    "no ref": [(ZERO, "NEW", b"HEAD")],
    "twice": [("OLD", "NEW", b"refs/heads/main")],
    "another one twice": [(ZERO, "NEW", b"refs/heads/side"), (ZERO, "NEW", b"refs/heads/side")],
    "deleted, but not there": [(ZERO, ZERO, b"refs/heads/side")],
    "its own deletion": [("OLD", ZERO, b"refs/heads/main")],
    "another old value": [("NEW", "NEW", b"refs/heads/side")],
}


def new_objects(site: Site) -> bytes:
    """Pack what the remote lacks."""
    objects = site.git("rev-list", "--objects", "HEAD", "--not", "--remotes=gitops").splitlines()
    return pack_of(site.folder, *(line.split()[0] for line in objects))


@pytest.mark.row(5, 8, 9)
@ATOMIC
@pytest.mark.parametrize("first", [True, False], ids=["main first", "main last"])
@pytest.mark.parametrize("what", BESIDE)
def test_spoken_by_hand(live: Site, what: str, *, first: bool, atomic: bool) -> None:
    live.back()
    before, old = live.snapshot(), live.tip
    new = live.commit("It must not be released", NEXT)
    words = {"OLD": old, "NEW": new}
    others = [(words.get(o, o), words.get(n, n), name) for o, n, name in BESIDE[what]]
    main = (old, new, b"refs/heads/main")
    answer = say(
        live.home.repo,
        [main, *others] if first else [*others, main],
        new_objects(live),
        atomic=atomic,
    )
    assert "ok refs/" not in answer.text
    assert "Traceback" not in answer.text
    assert live.snapshot() == before


@pytest.mark.row(5)
@ATOMIC
def test_a_shallow_ref(live: Site, tmp_path: Path, *, atomic: bool) -> None:
    """`main` itself is whole; the other one hangs on a commit that neither side has."""
    live.back()
    before = live.snapshot()
    elsewhere = tmp_path / "elsewhere"
    live.git("clone", "-q", str(live.folder), str(elsewhere))
    for number in range(3):
        subprocess.run(
            ["git", "-C", str(elsewhere), "commit", "-q", "--allow-empty", "-m", f"{number}"], check=True
        )
    live.git("fetch", "-q", "--depth=1", f"file://{elsewhere}", "main:shallow")
    try:
        live.commit("It must not be released", NEXT)
        pushed = live.push(*["--atomic"] * atomic, "main", "shallow:refs/heads/side")
        assert pushed.code != 0
        assert "Traceback" not in pushed.text
        assert live.snapshot() == before
    finally:
        live.git("branch", "-q", "-D", "shallow")
        (live.folder / ".git" / "shallow").unlink(missing_ok=True)


def test_the_same_spoken_well_is_released(fresh: Site) -> None:
    """The hand-made client is no reason for those refusals."""
    fresh.release()
    fresh.git("fetch", "-q", "gitops")
    old = fresh.tip
    new = fresh.commit("It is released", NEXT)
    answer = say(
        fresh.home.repo,
        [(old, new, b"refs/heads/main"), (ZERO, new, b"refs/heads/side")],
        new_objects(fresh),
        atomic=False,
    )
    assert "ok refs/heads/main" in answer.text
    assert "ok refs/heads/side" in answer.text
    assert fresh.page() == "two\n"
