"""Many pushers at once: each is released or told to fetch first, and nobody's success is lost."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gitops_cli import releases
from tests.kill.flight import RECOVER
from tests.support.site import Site, released

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 50
FETCH = "fetch first"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without a database: the crowd is what matters."""
    with released(tmp_path_factory.mktemp("site"), migrations=False) as site:
        yield site


def clone(site: Site, folder: Path) -> Site:
    """Clone what the remote has, as another developer does."""
    subprocess.run(["git", "clone", "-q", "-o", "gitops", str(site.home.repo), str(folder)], check=True)
    return Site(folder, site.home)


def history(site: Site) -> set[str]:
    """Name every commit that the remote's `main` holds."""
    site.git("fetch", "-q", "gitops")
    return set(site.git("rev-list", "gitops/main").splitlines())


def recover(site: Site) -> str:
    """Run `gitops recover`."""
    done = subprocess.run(RECOVER, cwd=site.folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def is_told_apart(site: Site) -> None:
    """Check that what runs is what the ref names, and that nothing is left open."""
    site.git("fetch", "-q", "gitops")
    (standing,) = releases.status(site.home)
    assert standing.released.commit == standing.tip == site.tip
    assert (standing.open_release, standing.ahead) == (0, 0)
    assert site.page() == site.git("show", f"{site.tip}:page.txt") + "\n"
    assert site.recover() == []


@pytest.mark.row(59)
@pytest.mark.parametrize("count", [2, MANY])
def test_all_at_once(crowded: Site, tmp_path: Path, count: int) -> None:
    pushers = [clone(crowded, tmp_path / str(number)) for number in range(count)]
    commits = [
        pusher.commit(f"By pusher {number}", {"page.txt": f"{count} {number}\n"})
        for number, pusher in enumerate(pushers)
    ]
    before = history(crowded)
    with ThreadPoolExecutor(count) as pool:
        ends = list(pool.map(lambda pusher: pusher.push(timeout=500), pushers))
    assert [end.text for end in ends if end.code != 0 and FETCH not in end.text] == []
    won = {commit for commit, end in zip(commits, ends, strict=True) if end.code == 0}
    assert len(won) == 1  # all of them came from the same commit
    assert history(crowded) == before | won
    is_told_apart(crowded)


@pytest.mark.row(59)
def test_everybody_who_tries_again_gets_through(crowded: Site, tmp_path: Path) -> None:
    pushers = [clone(crowded, tmp_path / str(number)) for number in range(4)]

    def insist(number: int) -> str:
        """Push, and as long as somebody was quicker rebase and push again."""
        pusher = pushers[number]
        pusher.commit(f"By pusher {number}", {f"notes/{number}.txt": "mine\n"})
        while (end := pusher.push(timeout=500)).code != 0:
            assert FETCH in end.text
            pusher.git("pull", "-q", "--rebase", "gitops", "main")
        return pusher.git("rev-parse", "HEAD")

    with ThreadPoolExecutor(len(pushers)) as pool:
        won = set(pool.map(insist, range(len(pushers))))
    assert len(won) == len(pushers)
    assert history(crowded) >= won
    is_told_apart(crowded)


@pytest.mark.row(59)
def test_different_refs_at_once_and_recover_beside_them(crowded: Site, tmp_path: Path) -> None:
    pushers = [clone(crowded, tmp_path / str(number)) for number in range(4)]
    refs = ["main", "main:side-1", "main:side-2", "main:refs/tags/v1"]
    commits = [
        pusher.commit(f"By pusher {number}", {"page.txt": f"refs {number}\n"})
        for number, pusher in enumerate(pushers)
    ]
    with ThreadPoolExecutor(6) as pool:
        recovering = [pool.submit(recover, crowded) for _ in range(2)]
        ends = list(pool.map(lambda pair: pair[0].push(pair[1]), zip(pushers, refs, strict=True)))
        assert [end.text for end in ends if end.code != 0] == []
        assert [one.result() for one in recovering] == ["nothing to do: all is as it was released"] * 2
    assert crowded.tip == commits[0]
    for name, commit in zip(
        ("refs/heads/side-1", "refs/heads/side-2", "refs/tags/v1"), commits[1:], strict=True
    ):
        assert crowded.git("ls-remote", str(crowded.home.repo), name).split() == [commit, name]
    is_told_apart(crowded)
