"""Refs move all or none, under one lock; what a crash leaves is removed under that lock alone."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.git.refs import RefLock, broken_refs, clear_stale, move, trial
from gitops_cli.errors import BadRef, Failed, GitopsError, Refused, Unavailable
from gitops_cli.pipeline.model import NO_COMMIT, RefUpdate
from tests.support.tracing import traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.adapters.git.repo import Repo
    from gitops_cli.adapters.home import Home
    from tests.git.conftest import Store

MAIN, RECORD = "refs/heads/main", "refs/gitops/releases/production"


@pytest.fixture
def commits(store: Store) -> tuple[str, str]:
    first = store.commit(store.tree())
    return first, store.commit(store.tree(), first)


@pytest.fixture
def lock(home: Home) -> Iterator[RefLock]:
    with RefLock(home) as held:
        yield held


def files(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


def test_a_trial_changes_and_leaves_nothing(
    home: Home, repo: Repo, lock: RefLock, commits: tuple[str, str]
) -> None:
    before = files(home.repo)
    trial(repo, [RefUpdate(MAIN, NO_COMMIT, commits[0]), RefUpdate(RECORD, NO_COMMIT, commits[1])])
    assert files(home.repo) == before
    assert repo.refs("refs") == {}


def test_all_refs_move_or_none(repo: Repo, lock: RefLock, commits: tuple[str, str]) -> None:
    one, two = commits
    move(repo, [RefUpdate(MAIN, NO_COMMIT, one), RefUpdate(RECORD, NO_COMMIT, one)], (lock.fd,))
    assert repo.refs("refs") == {MAIN: one, RECORD: one}
    with pytest.raises(Refused, match="main has moved; fetch first"):
        move(repo, [RefUpdate(RECORD, one, two), RefUpdate(MAIN, two, one)], (lock.fd,))
    assert repo.refs("refs") == {MAIN: one, RECORD: one}
    move(repo, [RefUpdate(RECORD, one, two), RefUpdate(MAIN, one, NO_COMMIT)], (lock.fd,))
    assert repo.refs("refs") == {RECORD: two}


@pytest.mark.parametrize("act", ["trial", "move"])
@pytest.mark.parametrize(
    ("update", "kind", "said"),
    [
        (RefUpdate("refs/heads/main/x", NO_COMMIT, ""), BadRef, "exclude each other"),
        (RefUpdate(MAIN, NO_COMMIT, ""), Refused, "main has moved"),
        (RefUpdate("refs/heads/gone", "", ""), Refused, "gone has moved"),
        (RefUpdate("refs/heads/gone", "", NO_COMMIT), Refused, "gone has moved"),
        (RefUpdate("refs/heads/a b", NO_COMMIT, ""), BadRef, "not allowed"),
        (RefUpdate("refs/heads/a\nb", NO_COMMIT, ""), BadRef, "not allowed"),
        (RefUpdate("refs/heads/a\0commit", NO_COMMIT, ""), BadRef, "not allowed"),
        (RefUpdate("HEAD", NO_COMMIT, ""), BadRef, "not allowed"),
        (RefUpdate("refs/heads/../../config", NO_COMMIT, ""), GitopsError, "config"),
        (RefUpdate("refs/heads/new", NO_COMMIT, "3" * 40), Failed, "update-ref"),
    ],
)
def test_what_cannot_move_says_why(
    repo: Repo,
    lock: RefLock,
    commits: tuple[str, str],
    act: str,
    update: RefUpdate,
    *,
    kind: type[Exception],
    said: str,
) -> None:
    move(repo, [RefUpdate(MAIN, NO_COMMIT, commits[0])], (lock.fd,))
    update = RefUpdate(update.name, update.old or commits[0], update.new or commits[1])
    with pytest.raises(kind, match=said):
        trial(repo, [update]) if act == "trial" else move(repo, [update], (lock.fd,))
    assert repo.refs("refs") == {MAIN: commits[0]}
    assert not [name for name in files(repo_path(repo)) if name.endswith(".lock")]


def repo_path(repo: Repo) -> Path:
    return Path(repo.place.repo)


def test_the_lock_excludes_and_outlives_us_in_a_child(home: Home) -> None:
    with RefLock(home) as held:
        with pytest.raises(Unavailable), RefLock(home, timeout=0.05):
            pass
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=(held.fd,))
    try:
        with pytest.raises(Unavailable), RefLock(home, timeout=0.05):
            pass
    finally:
        orphan.kill()
        orphan.wait()
    with RefLock(home, timeout=60):
        pass


def test_update_ref_inherits_the_lock(
    home: Home, repo: Repo, commits: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A git that reports its open files instead of moving anything."""
    fake = home.path / "git"
    fake.write_text("#!/bin/sh\nls -l /proc/self/fd | grep -o 'refs.lock' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr("gitops_cli.adapters.git.command._found", [str(fake)])
    with RefLock(home) as held, pytest.raises(Failed, match=r"refs\.lock"):
        move(repo, [RefUpdate(MAIN, NO_COMMIT, commits[0])], (held.fd,))


@pytest.mark.row(62)
def test_stale_locks_are_removed_and_reported(home: Home, repo: Repo, commits: tuple[str, str]) -> None:
    names = [
        "HEAD.lock",
        "packed-refs.lock",
        "packed-refs.new",
        "config.lock",
        "refs/heads/main.lock",
        "refs/gitops/releases/x.lock",
    ]
    for name in names:
        (home.repo / name).parent.mkdir(parents=True, exist_ok=True)
        (home.repo / name).write_bytes(b"")
    lock = RefLock(home)
    with pytest.raises(Failed, match="not held"):
        clear_stale(repo, lock)
    with lock:
        with pytest.raises(Unavailable, match="lock"):
            move(repo, [RefUpdate(MAIN, NO_COMMIT, commits[0])], (lock.fd,))
        said = clear_stale(repo, lock)
        assert sorted(line.rpartition(" ")[2] for line in said) == sorted(names)
        assert clear_stale(repo, lock) == []
        move(repo, [RefUpdate(MAIN, NO_COMMIT, commits[0])], (lock.fd,))


@pytest.mark.row(62)
@pytest.mark.skipif(not traces(), reason="strace is not here, or may not trace")
def test_a_kill_while_a_packed_ref_is_deleted_blocks_no_later_deletion(
    home: Home, repo: Repo, commits: tuple[str, str]
) -> None:
    gone = [RefUpdate(MAIN, commits[0], NO_COMMIT)]
    with RefLock(home) as lock:
        move(repo, [RefUpdate(MAIN, NO_COMMIT, commits[0])], (lock.fd,))
        subprocess.run(["git", "-C", str(home.repo), "pack-refs", "--all"], check=True)
    dies = "inject=rename,renameat,renameat2:signal=KILL:error=EIO"
    argv = [
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        dies,
        "git",
        "-C",
        str(home.repo),
        "update-ref",
        "-d",
        MAIN,
    ]
    killed = subprocess.run(argv, check=False, capture_output=True)
    assert killed.returncode != 0
    assert {"packed-refs.lock", "packed-refs.new"} <= files(home.repo)
    with RefLock(home) as lock:
        clear_stale(repo, lock)
        move(repo, gone, (lock.fd,))
    assert repo.refs("refs") == {}


@pytest.mark.row(62)
def test_a_quarantine_goes_only_when_no_push_lives(home: Home, repo: Repo) -> None:
    left = home.repo / "objects" / "tmp_objdir-incoming-Xy12ab"
    (left / "pack").mkdir(parents=True)
    (left / "pack" / "tmp_pack_1").write_bytes(b"half")
    living = subprocess.Popen(
        ["git", "receive-pack", str(home.repo)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert living.stdout is not None
        living.stdout.read(4)  # it has begun to talk, so it is in the repository
        with RefLock(home) as lock:
            assert clear_stale(repo, lock) == []
        assert left.is_dir()
    finally:
        living.communicate()
    with RefLock(home) as lock:
        assert clear_stale(repo, lock) == ["removed what a dead push had sent: tmp_objdir-incoming-Xy12ab"]
    assert not left.exists()


@pytest.mark.row(63)
def test_a_ref_without_content_is_named(
    home: Home, repo: Repo, lock: RefLock, commits: tuple[str, str]
) -> None:
    move(repo, [RefUpdate(MAIN, NO_COMMIT, commits[0])], (lock.fd,))
    assert broken_refs(repo) == []
    (home.repo / MAIN).write_bytes(b"")
    (home.repo / "refs/heads/zeros").write_bytes(bytes(41))
    assert broken_refs(repo) == [MAIN, "refs/heads/zeros"]


def test_a_ref_that_is_deleted_while_others_are_read_is_not_damaged(
    home: Home, repo: Repo, commits: tuple[str, str]
) -> None:
    """The first file that is read is a pipe: whoever opens it waits until we have deleted the other one."""
    for name in ("one", "two"):
        (home.repo / "refs/heads" / name).symlink_to(home.path / name)
    first, other = (home.repo / "refs/heads").iterdir()
    os.mkfifo(home.path / first.name)
    (home.path / other.name).write_text(f"{commits[0]}\n")
    with ThreadPoolExecutor() as pool:
        found = pool.submit(broken_refs, repo)
        with first.open("w") as pipe:  # waits for the reader
            other.unlink()
            pipe.write(f"{commits[0]}\n")
        assert found.result(60) == []


def test_a_trial_leaves_nothing(repo: Repo, lock: RefLock, commits: tuple[str, str]) -> None:
    trial(repo, [RefUpdate(MAIN, NO_COMMIT, commits[0])])
    assert repo.resolve(MAIN) == ""
    assert not (repo_path(repo) / "HEAD.lock").exists()
