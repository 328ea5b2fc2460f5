"""Trees as git stores them, hostile ones included: listed within limits, read and exported as committed."""

from __future__ import annotations

import os
import resource
import stat
import time
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_cli.adapters.git.tree import Limits, check_paths, list_tree
from gitops_cli.errors import BadInput, Failed, GitopsError, LimitExceeded

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.git.repo import Repo
    from tests.git.conftest import Store

MIB = 1 << 20


@pytest.mark.row(3)
@pytest.mark.parametrize("empty", [False, True], ids=["of-files", "of-empty-folders"])
def test_a_git_bomb_is_dropped_at_the_limit(repo: Repo, store: Store, *, empty: bool) -> None:
    tree = store.bomb(empty=empty)
    began = time.monotonic()
    with pytest.raises(LimitExceeded, match=r"more than 10 000 (files|folders)"):
        repo.tree(tree)
    assert time.monotonic() - began < 60  # without the limit: for ever


def test_exactly_the_limit_is_allowed(repo: Repo, store: Store) -> None:
    tree = store.tree(*[store.folder(b"d%d" % n, store.file(b"a"), store.file(b"b")) for n in range(3)])
    assert len(list_tree(repo.place, tree, Limits(files=6))) == 6
    with pytest.raises(LimitExceeded, match="more than 5 files"):
        list_tree(repo.place, tree, Limits(files=5))


@pytest.mark.row(2)
def test_a_large_blob_is_named_with_both_sizes_and_never_read(repo: Repo, store: Store) -> None:
    big = store.git("hash-object", "-w", "--stdin", data=bytes(70 * MIB))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LimitExceeded, match=r"data/big\.bin has 70\.0 MiB; a file may have 64 MiB"):
        repo.tree(store.tree(store.folder(b"data", ("100644", big, b"big.bin"))))
    with pytest.raises(LimitExceeded):
        repo.read_many([big])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024
    with pytest.raises(LimitExceeded, match="together"):
        list_tree(
            repo.place,
            store.tree(("100644", big, b"a"), ("100644", big, b"b")),
            Limits(blob=100 * MIB, total=100 * MIB),
        )


NFC, NFD = (unicodedata.normalize(form, "caf\u00e9").encode() for form in ("NFC", "NFD"))


@pytest.mark.row(37)
@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([b"a\nb"], r"a\x0ab"),
        ([b"\x1b[31mred"], r"\x1b[31mred"),
        ([b"..\\x"], r"..\x"),
        ([b"right\xe2\x80\xaeleft"], r"right\u202eleft"),
        ([b"\xff\xfe"], r"\xff\xfe"),
        ([b"x" * 5000], "longer than"),
        ([b"x" * 300], "longer than"),
        ([NFC, NFD], r"caf\xe9"),
        ([b"README", b"readme"], "'README' and 'readme'"),
        (["stra\u00dfe".encode(), b"STRASSE"], "Unicode form"),
        ([b".GIT"], ".GIT"),
        ([b"a/../b"], "a/../b"),
    ],
)
def test_a_bad_file_name_is_refused_and_printed_escaped(
    repo: Repo, store: Store, names: list[bytes], said: str
) -> None:
    tree = store.tree(*[store.file(name) for name in names])
    with pytest.raises(BadInput) as caught:
        repo.tree(tree)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_name_twice_is_refused(repo: Repo, store: Store) -> None:
    with pytest.raises(BadInput, match="twice"):
        repo.tree(store.tree(store.file(b"a", b"1"), store.file(b"a", b"2")))


def test_ordinary_names_are_allowed(repo: Repo, store: Store) -> None:
    names = ["-rf", "a b", "ünïcode/日本.txt", ".gitignore", "x" * 255, "$(id)"]
    lines = [store.file(name.encode()) for name in names if "/" not in name]
    lines.append(store.folder("ünïcode".encode(), store.file("日本.txt".encode())))
    assert sorted(repo.tree(store.tree(*lines)).entries) == sorted(names)


@pytest.mark.row(18, 37)
@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("120000", "symbolic links are not allowed: values.yaml"),
        ("160000", "submodules are not allowed: values.yaml"),
    ],
)
def test_links_and_submodules_are_listed_and_refused_in_a_release(
    repo: Repo, store: Store, tmp_path: Path, mode: str, said: str
) -> None:
    tree = store.tree((mode, store.blob(b"/etc/passwd"), b"values.yaml"))
    found = repo.tree(tree).entries
    assert found["values.yaml"].mode == int(mode, 8)
    with pytest.raises(BadInput, match=said):
        check_paths(found.values())
    with pytest.raises(BadInput, match=said):
        repo.export(tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.row(27)
def test_attributes_of_the_push_hide_and_change_nothing(repo: Repo, store: Store, tmp_path: Path) -> None:
    files = {
        b".gitattributes": b"hidden.yaml export-ignore\n*.txt export-subst ident text eol=crlf\n"
        b"*.u16 working-tree-encoding=UTF-16\n*.f filter=evil\n",
        b"hidden.yaml": b"kind: Deployment\n",
        b"a.txt": b"$Format:%H$ $Id$\nline\n",
        b"b.u16": b"text\n",
        b"c.f": b"x",
    }
    commit = store.commit(store.tree(*[store.file(name, data) for name, data in files.items()]))
    tree = repo.tree(commit)
    assert tree.read(["hidden.yaml"]) == {"hidden.yaml": b"kind: Deployment\n"}
    repo.export(commit, tmp_path / "out")
    assert {os.fsencode(path.name): path.read_bytes() for path in (tmp_path / "out").iterdir()} == files


def test_replaced_objects_are_read_as_they_were(repo: Repo, store: Store) -> None:
    good, evil = store.blob(b"good"), store.blob(b"evil")
    store.git("update-ref", f"refs/replace/{good}", evil)
    assert repo.read_many([good]) == {good: b"good"}


def test_export_keeps_the_executable_bit_and_ignores_the_umask(
    repo: Repo, store: Store, tmp_path: Path
) -> None:
    tree = store.tree(
        store.file(b"run", b"#!/bin/sh\n", "100755"),
        store.folder(b"a", store.folder(b"b", store.file(b"1", b"one")), store.file(b"2", b"two")),
        store.file(b"a.b", b"beside"),
    )
    old = os.umask(0o077)
    try:
        repo.export(tree, tmp_path / "deep" / "out")
    finally:
        os.umask(old)
    out = tmp_path / "deep" / "out"
    modes = {str(p.relative_to(out)): stat.S_IMODE(p.stat().st_mode) for p in out.rglob("*")}
    assert modes == {"run": 0o755, "a": 0o755, "a/b": 0o755, "a/b/1": 0o644, "a/2": 0o644, "a.b": 0o644}
    assert (out / "a/b/1").read_bytes() == b"one"
    assert list(out.parent.iterdir()) == [out]
    repo.export(tree, out)  # again: it is whole already
    assert list(out.parent.iterdir()) == [out]


def test_a_missing_object_is_an_error_and_leaves_nothing(repo: Repo, store: Store, tmp_path: Path) -> None:
    tree = store.tree(("100644", "1" * 40, b"a"))
    with pytest.raises(GitopsError):
        repo.export(tree, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))
    with pytest.raises(Failed):
        repo.read_many(["1" * 40])
    assert repo.read_many([store.blob(b"still")])  # a reader that failed reads on


NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name) | st.sampled_from(
    [b"..", b".", b".git", b"../../etc/passwd", b"/abs", b"a/b", b"link", b"a\\..\\b", b"ok", b"OK"]
)


@settings(
    max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        NAMES, st.tuples(st.sampled_from(["100644", "100755", "120000", "040000"]), NAMES), max_size=4
    )
)
def test_any_tree_is_exported_inside_or_refused(
    repo: Repo, store: Store, tmp_path: Path, spec: dict[bytes, tuple[str, bytes]]
) -> None:
    lines = []
    for name, (mode, inner) in spec.items():
        lines.append(
            store.folder(name, store.file(inner)) if mode == "040000" else store.file(name, inner, mode)
        )
    root = tmp_path / os.urandom(4).hex()
    root.mkdir()
    tree = store.tree(*lines)
    try:
        repo.export(tree, root / "in")
    except (BadInput, Failed):
        assert list(root.iterdir()) == []
    else:
        assert list(root.iterdir()) == [root / "in"]
        count = sum(path.is_file() and not path.is_symlink() for path in (root / "in").rglob("*"))
        assert count == len(spec)
