"""The record of what was released: a chain of commits under refs/gitops/releases/<environment>.

Parent 1 is the release before, parent 2 the commit that was released, so that fetching the record
fetches what it speaks of. The tree holds `release.json` and `output.txt`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.text import safe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitops_cli.adapters.git.repo import Repo

PREFIX = "refs/gitops/releases/"
PENDING = "refs/gitops/pending/"


def release_ref(environment: str) -> str:
    """Name the ref that tells what was released to an environment."""
    return PREFIX + environment


def pending_ref(environment: str) -> str:
    """Name the ref that keeps the commit of an open release from `git gc`."""
    return PENDING + environment


class Released(msgspec.Struct, frozen=True):
    """Where the chain of an environment stands; empty strings and 0 before the first release."""

    record: str = ""
    number: int = 0
    id: str = ""
    commit: str = ""
    tree: str = ""


class _Inner(msgspec.Struct):
    number: int
    id: str
    commit: str
    tree: str


class _Outer(msgspec.Struct):
    release: _Inner


def released(repo: Repo, environment: str) -> Released:
    """Tell what was released last to an environment."""
    record = repo.resolve(release_ref(environment))
    if not record:
        return Released()
    inner = msgspec.json.decode(repo.read_path(record, "release.json"), type=_Outer).release
    return Released(record, inner.number, inner.id, inner.commit, inner.tree)


def write_record(repo: Repo, title: str, files: Mapping[str, bytes], *, before: str, commit: str) -> str:
    """Write the commit of a release into the object store; no ref moves. Gives its id."""
    parents = [parent for parent in (before, commit) if parent]
    return repo.write_commit(files, parents, safe(title, 120) + "\n")
