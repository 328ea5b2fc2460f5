"""Names, commits and records of a repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitops_cli.adapters.git import incoming
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadInput, BadRef, Failed, LimitExceeded, Unavailable

if TYPE_CHECKING:
    from tests.git.conftest import Store


def test_a_full_name_means_exactly_that_ref(repo: Repo, store: Store) -> None:
    one = store.commit(store.tree())
    two = store.commit(store.tree(), one)
    store.git("update-ref", "refs/heads/refs/heads/main", one)  # git's own short-name rules would find it
    assert repo.resolve("refs/heads/main") == ""
    store.git("update-ref", "refs/heads/main", two)
    store.git("tag", "-a", "-m", "x", "v1", two)
    tag = store.git("rev-parse", "refs/tags/v1")
    assert repo.resolve("refs/heads/main") == two
    assert repo.resolve("refs/tags/v1") == tag != two
    assert repo.resolve("v1") == two
    assert repo.resolve(two[:9]) == two
    assert repo.refs("refs/heads") == {"refs/heads/main": two, "refs/heads/refs/heads/main": one}
    assert repo.is_ancestor(one, two)
    assert not repo.is_ancestor(two, one)


@pytest.mark.row(9)
@pytest.mark.parametrize(
    "name", ["-x", "--upload-pack=touch p", "`id`", "$(id)", "a|b", "--output=p", "", "HEAD@{"]
)
def test_an_odd_name_is_no_option(
    repo: Repo, name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(folder)
    assert repo.resolve(name) == ""
    assert list(folder.iterdir()) == []


@pytest.mark.row(38)
def test_a_hostile_subject_is_cut_and_still_a_text(repo: Repo, store: Store) -> None:
    message = b"\x1b]0;owned\x07\r\xe2\x80\xae\xff" + b"x" * MILLION
    oid = store.commit(store.tree(), message=message, author=b"\x1b[2J\xff <e@x>")
    found = repo.commit(oid)
    assert len(found.subject) <= 200
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
    assert safe(found.subject).isprintable()
    assert safe(found.author).isprintable()
    assert found.time == 1700000000


MILLION = 1_000_000


def test_a_tag_or_tree_is_no_commit(repo: Repo, store: Store) -> None:
    with pytest.raises(BadInput, match="is a tree"):
        repo.commit(store.tree())


def test_a_record_is_a_commit_with_its_parents(repo: Repo, store: Store) -> None:
    base = store.commit(store.tree())
    one = repo.write_commit({"release.json": b"{}", "output.txt": b"text"}, [base], "release 1\n")
    two = repo.write_commit({"release.json": b"[]"}, [one, base], "release 2\n")
    assert repo.commit(two).parents == (one, base)
    assert repo.commit(two).subject == "release 2"
    assert repo.read_path(one, "output.txt") == b"text"
    assert store.git("fsck", "--strict") == f"dangling commit {two}"
    with pytest.raises(BadInput, match="no nothing"):
        repo.read_path(one, "nothing")


@pytest.mark.row(63)
@pytest.mark.parametrize("held", [b"", bytes(41), b"garbage\n"])
def test_a_damaged_ref_is_never_taken_for_a_missing_one(repo: Repo, store: Store, held: bytes) -> None:
    store.git("update-ref", "refs/gitops/releases/production", store.commit(store.tree()))
    Path(repo.place.repo, "refs/gitops/releases/production").write_bytes(held)
    with pytest.raises(Unavailable, match="refs/gitops/releases/production is damaged"):
        repo.resolve("refs/gitops/releases/production")


def test_an_incomplete_history_is_found(repo: Repo, store: Store) -> None:
    whole = store.commit(store.tree(store.file(b"a")))
    incoming.check_connected(repo, [whole])
    for oid in (store.commit(store.tree(), "1" * 40), store.commit(store.tree(("100644", "2" * 40, b"a")))):
        with pytest.raises(BadRef, match="lacks objects"):
            incoming.check_connected(repo, [whole, oid])
    assert repo.kinds([whole, "1" * 40]) == {whole: "commit", "1" * 40: "missing"}


def test_sizes_are_those_of_the_quarantine_alone(
    repo: Repo, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store.blob(bytes(5000))
    quarantine = tmp_path_factory.mktemp("q")
    with Repo(repo.place.repo, quarantine) as inside:
        incoming.check_sizes(inside, 1000)
        os.environ["GIT_OBJECT_DIRECTORY"] = str(quarantine)
        try:
            oid = store.blob(bytes(4000))
        finally:
            del os.environ["GIT_OBJECT_DIRECTORY"]
        with pytest.raises(LimitExceeded, match=f"the blob {oid[:12]} has"):
            incoming.check_sizes(inside, 1000)
        assert inside.read_many([oid]) == {oid: bytes(4000)}
    with pytest.raises(Failed):
        repo.read_many([oid])
