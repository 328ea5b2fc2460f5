"""What a checkout reads from the fetched records, those that an older gitops wrote too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters import records
from gitops_cli.adapters.checkout import Checkout
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.scaffold.known import Known
from tests.scaffold.conftest import git

if TYPE_CHECKING:
    from pathlib import Path

RELEASED, OTHER, NONE = "a" * 40, "b" * 40, "0" * 40


@pytest.fixture
def clone(application: Path) -> Path:
    """A checkout with a remote."""
    git(application, "remote", "add", "gitops", "/nowhere")
    return application


def record(clone: Path, *releases: dict[str, object]) -> Known:
    """Write the record of these releases, oldest first, as a fetch leaves it."""
    repo, before = Repo(clone / ".git"), ""
    for number, fields in enumerate(releases, 1):
        release = {"number": number, "id": str(number), "environment": "production", "tree": OTHER}
        told = {"outcome": "released", "seconds": 1, "release": release | {"commit": RELEASED} | fields}
        files = {"release.json": json.dumps(told).encode()}
        before = records.write_record(repo, "a release", files, before=before, commit="")
    repo.close()
    git(clone, "update-ref", "refs/gitops/remotes/gitops/production", before)
    return Known(Checkout.need(clone), "gitops")


def ref(name: str, new: str = RELEASED) -> dict[str, str]:
    return {"name": f"refs/{name}", "old": OTHER if new == NONE else NONE, "new": new}


MAIN, SAME = ref("heads/main"), ref("heads/aaa")


@pytest.mark.parametrize(
    ("releases", "branch"),
    [
        ([{"refs": [ref("heads/aaa", OTHER), MAIN]}], "main"),
        ([{"refs": [MAIN, ref("heads/zzz", NONE)]}], "main"),
        ([{"refs": [SAME, MAIN]}], ""),
        ([{"refs": [MAIN]}, {"refs": [SAME, MAIN]}], "main"),
        ([{"refs": [SAME, MAIN], "ref": "refs/heads/main"}], "main"),
        ([{"refs": [ref("tags/v1"), MAIN]}], "main"),
        ([{"refs": [MAIN]}, {"kind": "follow"}], "main"),
        ([{"kind": "follow", "ref": "refs/heads/main"}], "main"),
    ],
)
def test_the_branch_that_releases(clone: Path, releases: list[dict[str, object]], branch: str) -> None:
    assert record(clone, *releases).branch("production") == branch


def test_a_branch_that_became_a_folder_of_branches_is_fetched(clone: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.git"
    git(clone, "init", "--quiet", "--bare", str(there))
    git(clone, "remote", "set-url", "gitops", str(there))
    git(clone, "push", "--quiet", "gitops", "HEAD:refs/heads/topic", "HEAD:refs/gitops/releases/production")
    for mine in ("refs/tags/mine", "refs/heads/mine", "refs/remotes/other/topic"):
        git(clone, "update-ref", mine, "HEAD")
    known = Known(Checkout.need(clone), "gitops").fetch()
    before = set(git(clone, "for-each-ref", "--format=%(refname)").splitlines())
    git(there, "update-ref", "-d", "refs/heads/topic")
    git(there, "update-ref", "refs/heads/topic/a", git(clone, "rev-parse", "HEAD"))
    known.fetch()
    after = set(git(clone, "for-each-ref", "--format=%(refname)").splitlines())
    assert (before - after, after - before) == (
        {"refs/remotes/gitops/topic"},
        {"refs/remotes/gitops/topic/a"},
    )
