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
