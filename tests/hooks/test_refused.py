"""Pushes that pre-receive refuses: one sentence, and the remote is byte for byte as before."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters import processes
from gitops_cli.adapters.git import settings
from gitops_cli.adapters.git.names import check_ref
from gitops_cli.errors import BadRef
from tests.hooks.conftest import EMPTY_PACK, ENTRY, ZERO

if TYPE_CHECKING:
    from tests.hooks.conftest import Answer, Push


def refused(remote: Push, before: dict[str, bytes], answer: Answer, said: str) -> None:
    """Check a refusal: its words, no traceback, no control character, nothing changed."""
    assert said in answer.text
    assert answer.code != 0 or "\nng " in answer.text or "ng refs" in answer.text
    assert "Traceback" not in answer.text
    assert "a bug of gitops" not in answer.text
    assert all(char in "\n\0" or char >= " " for char in answer.text.replace("\x1b[K", ""))
    assert remote.picture() == before


@pytest.mark.row(4)
@pytest.mark.parametrize("count", [11, 1000, 100_000])
def test_too_many_refs(released: Push, count: int) -> None:
    before = released.picture()
    began = time.monotonic()
    answer = released.say([(ZERO, released.first, b"refs/heads/r%d" % n) for n in range(count)])
    refused(released, before, answer, "at most 10 refs in one push")
    assert answer.text.count("at most 10 refs") == 1
    assert time.monotonic() - began < 60


NO_ROOM = 'ulimit -f 0; exec "$@"'
"""For a shell: whoever it starts can write to no file; over the file transport the hooks are among them."""


def test_a_disk_that_takes_nothing_is_no_bug_of_gitops(released: Push) -> None:
    before = released.picture()
    argv = ["git", "-C", str(released.folder), "push", "gitops", f"{released.first}:refs/heads/side"]
    done = subprocess.run(["sh", "-c", NO_ROOM, "sh", *argv], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "the remote cannot use its disk: File too large; nothing was changed; next: ask" in done.stderr
    assert "a bug of gitops" not in done.stderr
    (released.home.pushes / next(iter(released.picture().keys() - before.keys())).rpartition("/")[2]).unlink()
    assert released.picture() == before


def test_a_bug_whose_report_cannot_be_written_is_told_all_the_same(released: Push) -> None:
    entry = [sys.executable, "-I", "-S", str(ENTRY), "pre-receive", ":".join(settings.import_paths())]
    done = subprocess.run(
        ["sh", "-c", NO_ROOM, "sh", *entry, "no number"],
        capture_output=True,
        text=True,
        check=False,
        cwd=released.home.repo,
        env=processes.clean_env(),
    )
    assert done.returncode == 1
    assert "a bug of gitops (ValueError); no report could be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.row(5)
def test_one_bad_ref_refuses_the_others(released: Push) -> None:
    before = released.picture()
    new = released.commit({"a": b"b"})
    for atomic in ((), ("--atomic",)):
        answer = released.push(
            *atomic, f"{new}:refs/heads/main", f"{new}:refs/heads/Bad", f"{new}:refs/heads/fine"
        )
        refused(released, before, answer, "the name Bad is not allowed".replace("Bad", "refs/heads/Bad"))
        assert answer.text.count("[remote rejected]") == 3


@pytest.mark.row(6)
def test_a_rewrite_of_history(released: Push) -> None:
    other = released.store.commit(released.store.tree())
    before = released.picture()
    answer = released.push("--force", f"{other}:refs/heads/main")
    refused(released, before, answer, "history of main may not be rewritten; use gitops rollback")


@pytest.mark.row(7)
def test_a_deletion_of_a_release_branch(released: Push) -> None:
    before = released.picture()
    answer = released.push(":refs/heads/main")
    refused(released, before, answer, "main releases and cannot be deleted")
    assert "gitops rollback" in answer.text


@pytest.mark.row(8)
@pytest.mark.parametrize(
    "name",
    [
        "refs/replace/" + "1" * 40,
        "refs/notes/commits",
        "refs/gitops/releases/production",
        "refs/foo/bar",
        "refs/x",
    ],
)
def test_other_namespaces(released: Push, name: str) -> None:
    before = released.picture()
    answer = released.say([(ZERO, released.first, b"refs/heads/fine"), (ZERO, released.first, name.encode())])
    refused(released, before, answer, f"only branches and tags can be pushed, not {name}")


ODD = [
    b"-x", b"--upload-pack=touch p", b"`id`", b"$(id)", b";id", b"a|b", b"&x", b"<x>", b"'q",
    b'"q', b"@", b"HEAD", b"Main", b"a b", b"a\tb", b"../../config", b"a/../b", b".hidden",
    b"a/.b", b"a.lock", b"a/b.lock/c", b"a..b", b"a//b", b"a/", b"a.", b"\x1b[31mred", b"x" * 300,
    b"/".join([b"y" * 100] * 45), b"\xff\xfe", "ünï".encode(), b"a\nb", b"a~b", b"a^b", b"a:b",
    b"a?b", b"a*b", b"a[b", b"a\\b", b"a@{b",
]  # fmt: skip


@pytest.mark.row(9, 11, 12)
@pytest.mark.parametrize("name", ODD, ids=lambda name: repr(name[:24]))
def test_odd_names_are_refused_by_the_rule(name: bytes) -> None:
    for space in (b"refs/heads/", b"refs/tags/"):
        with pytest.raises(BadRef) as caught:
            check_ref((space + name).decode("utf-8", "surrogateescape"))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400


@pytest.mark.row(9, 11, 12)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (b"-x", "refs/heads/-x"),
        (b"--upload-pack=touch p", "--upload-pack=touch p"),
        (b"$(touch p)", "$(touch p)"),
        (b"../../config", "../../config"),
        (b"a b", "refs/heads/a b"),
        (b"\xff\xfe", r"refs/heads/\xff\xfe"),
        (b"\x1b[31mred", r"refs/heads/\x1b[31mred"),
        (b"x" * 300, "at most 100 characters"),
        (b"/".join([b"y" * 100] * 45), "at most 100 characters"),
    ],
)
def test_odd_names_are_refused_by_the_remote(released: Push, name: bytes, said: str) -> None:
    before = released.picture()
    answer = released.say(
        [(ZERO, released.first, b"refs/heads/fine"), (ZERO, released.first, b"refs/heads/" + name)]
    )
    answer = type(answer)(answer.code, answer.text.replace(name.decode("utf-8", "surrogateescape"), said))
    refused(released, before, answer, said)
    assert "is not allowed" in answer.text


@pytest.mark.row(9)
def test_a_newline_in_a_name_makes_no_second_ref(released: Push) -> None:
    before = released.picture()
    forged = f"refs/heads/a\n{ZERO} {released.first} refs/heads/b".encode()
    answer = released.say([(ZERO, released.first, forged)])
    assert "ng refs/heads/a" in answer.text
    assert released.picture() == before


def test_a_ref_twice(released: Push) -> None:
    before = released.picture()
    answer = released.say([(ZERO, released.first, b"refs/heads/x"), (ZERO, released.first, b"refs/heads/x")])
    assert "ng refs/heads/x" in answer.text
    assert released.picture() == before


def test_a_deletion_of_nothing(released: Push) -> None:
    before = released.picture()
    refused(released, before, released.say([(ZERO, ZERO, b"refs/heads/x")], pack=b""), "does not exist")


@pytest.mark.row(10)
def test_a_tag_named_like_a_branch(released: Push) -> None:
    before = released.picture()
    refused(
        released,
        before,
        released.push(f"{released.first}:refs/tags/main"),
        "main would be both a branch and a tag",
    )
    both = (f"{released.first}:refs/tags/v", f"{released.first}:refs/heads/v")
    refused(released, before, released.push(*both), "v would be both a branch and a tag")


@pytest.mark.row(13)
@pytest.mark.parametrize("harm", ["truncated", "checksum", "base", "empty", "garbage"])
def test_a_damaged_pack(released: Push, harm: str) -> None:
    before = released.picture()
    new = released.commit({"file": b"content\n" * 100})
    tree = released.git("rev-parse", f"{new}^{{tree}}")
    whole = released.pack(new, tree, released.git("rev-parse", f"{new}:file"))
    packs = {
        "truncated": whole[:-30],
        "checksum": whole[:-1] + bytes([whole[-1] ^ 1]),
        "base": released.pack(new),
        "empty": EMPTY_PACK,
        "garbage": b"not a pack at all, whatever it says",
    }
    answer = released.say([(released.first, new, b"refs/heads/main")], packs[harm])
    assert "ng refs/heads/main" in answer.text or answer.code != 0
    assert "Traceback" not in answer.text
    assert {k: v for k, v in released.picture().items() if k not in before} == {}
    assert released.picture() == before


def test_a_missing_object_beside_a_good_ref(released: Push) -> None:
    before = released.picture()
    answer = released.say([(ZERO, released.first, b"refs/heads/good"), (ZERO, "1" * 40, b"refs/heads/bad")])
    refused(released, before, answer, "bad: the object 111111111111 is missing")
    assert "ng refs/heads/good" in answer.text


def test_a_shallow_clone_without_what_the_remote_lacks(
    released: Push, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for number in range(3):
        released.commit({"n": b"%d" % number})
    shallow = tmp_path_factory.mktemp("shallow")
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{released.folder}", str(shallow)], check=True)
    before = released.picture()
    for args in (["main:side"], ["--atomic", "main:side", "main:other"], ["main:side", "main~0:main"]):
        done = subprocess.run(
            ["git", "-C", str(shallow), "push", str(released.home.repo), *args],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert "the push lacks objects" in done.stderr
        assert "--unshallow" in done.stderr
        assert released.picture() == before


FSCK = {
    "hasDotgit": (b".git", "100644"),
    "hasDotgit upper": (b".GIT", "100644"),
    "hasDotgit short": (b"git~1", "100644"),
    "hasDotdot": (b"..", "100644"),
    "hasDot": (b".", "100644"),
    "fullPathname": (b"a/b", "100644"),
    "badFilemode": (b"a", "100666"),
    "gitmodulesSymlink": (b".gitmodules", "120000"),
    "gitattributesSymlink": (b".gitattributes", "120000"),
}


@pytest.mark.row(16)
@pytest.mark.parametrize("reason", FSCK)
def test_trees_that_fsck_refuses(released: Push, reason: str) -> None:
    name, mode = FSCK[reason]
    commit = released.store.commit(released.store.tree(released.store.file(name, b"x", mode)), released.first)
    before = released.picture()
    answer = released.push(f"{commit}:refs/heads/side")
    refused(released, before, answer, reason.split(" ", maxsplit=1)[0])


@pytest.mark.row(16)
@pytest.mark.parametrize(
    ("reason", "files"),
    [
        ("gitmodulesUrl", {b".gitmodules": b'[submodule "x"]\n\tpath = x\n\turl = -uevil\n'}),
        ("gitmodulesName", {b".gitmodules": b'[submodule "../../x"]\n\tpath = x\n\turl = https://e/x\n'}),
        ("gitattributesLineLength", {b".gitattributes": b"a " + b"x" * 3000 + b"\n"}),
        ("duplicateEntries", {b"a": b"1", b"a ": b"2"}),
    ],
)
def test_contents_that_fsck_refuses(released: Push, reason: str, files: dict[bytes, bytes]) -> None:
    lines = [released.store.file(name.strip(), data) for name, data in files.items()]
    commit = released.store.commit(released.store.tree(*lines), released.first)
    before = released.picture()
    refused(released, before, released.push(f"{commit}:refs/heads/side"), reason)


@pytest.mark.row(20)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([b"x=$(id)"], "'x=$(id)' is unknown"),
        ([b"e\x1b[31m"], r"e\\x1b[31m"),
        ([b"redeploy", b"accept-loss=a b"], "'accept-loss=a b' is unknown"),
        ([b"o%d" % n for n in range(2000)], "'o0' is unknown"),
        ([b"redeploy"] * 2000, "at most 20 push options"),
        ([b"x" * 60_000], "is unknown"),
        ([b"accept-loss="], "is unknown"),
        ([b""], "is unknown"),
    ],
)
def test_push_options_that_nobody_reads(released: Push, options: list[bytes], said: str) -> None:
    before = released.picture()
    answer = released.say([(ZERO, released.first, b"refs/heads/side")], options=options)
    refused(released, before, answer, said)


@pytest.mark.row(64)
def test_a_remote_that_was_changed_by_hand(released: Push) -> None:
    (released.home.repo / "hooks" / "post-receive").chmod(0o644)
    before = released.picture()
    answer = released.push(f"{released.first}:refs/heads/side")
    refused(
        released, before, answer, "the hook post-receive is not executable; nothing was changed; next: gitops"
    )


@pytest.mark.row(64)
@pytest.mark.parametrize("hook", ["pre-receive", "proc-receive"])
@pytest.mark.parametrize("harm", ["missing", "mode", "dangling", "empty"])
def test_without_a_hook_nothing_passes(released: Push, hook: str, harm: str) -> None:
    """git itself fails open; the two hooks cover for each other."""
    file = released.home.repo / "hooks" / hook
    text = file.read_bytes()
    file.unlink()
    if harm == "mode":
        file.write_bytes(text)
    elif harm == "dangling":
        file.symlink_to("nowhere")
    elif harm == "empty":
        file.write_bytes(b"")
        file.chmod(0o755)
    answer = released.push(f"{released.first}:refs/heads/side")
    assert answer.code != 0
    assert "refs/heads/side" not in released.git("ls-remote", "gitops")


@pytest.mark.row(63)
def test_a_ref_that_a_power_cut_emptied_is_named(released: Push) -> None:
    (released.home.repo / "refs/heads/main").write_bytes(b"")
    before = released.picture()
    answer = released.push(f"{released.commit({'a': b'b'})}:refs/heads/side")
    refused(released, before, answer, "the remote's ref refs/heads/main is damaged")
    assert "gitops recover" in answer.text


@pytest.mark.row(2)
def test_a_large_object_on_any_branch(released: Push) -> None:
    commit = released.commit({"zeros": bytes(70 << 20)})
    before = released.picture()
    refused(
        released,
        before,
        released.push(f"{commit}:refs/heads/side"),
        "has 70.0 MiB unpacked; 64 MiB are allowed",
    )


@pytest.mark.row(27, 37)
@pytest.mark.parametrize(
    ("name", "said"),
    [(b"new\nline", r"new\x0aline"), (b"\x1b[2J", r"\x1b[2J"), (b"..\\x", r"..\x"), (b"\xff", r"\xff")],
)
def test_file_names_that_a_release_cannot_have(released: Push, name: bytes, said: str) -> None:
    store = released.store
    tree = store.tree(store.file(b".gitattributes", b"* export-ignore\n"), store.file(name))
    commit = store.commit(tree, released.first, message=b"\x1b]0;owned\x07")
    before = released.picture()
    refused(released, before, released.push(f"{commit}:refs/heads/main"), said)


@pytest.mark.row(3)
def test_a_git_bomb_on_a_release_branch(released: Push) -> None:
    commit = released.store.commit(released.store.bomb(), released.first)
    before = released.picture()
    began = time.monotonic()
    refused(released, before, released.push(f"{commit}:refs/heads/main"), "more than 10 000 files")
    assert time.monotonic() - began < 60  # without the limit: for ever
