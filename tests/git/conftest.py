"""Trees that no client would make, and a bare repository to hold them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.git import settings
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Line = tuple[str, str, bytes]
"""Mode, object id, name."""


class Store:
    """Makes raw objects in one repository, without any of git's own checks."""

    def __init__(self, repo: Repo) -> None:
        self.path = repo.place.repo

    def git(self, *args: str, data: bytes = b"") -> str:
        done = subprocess.run(["git", "-C", self.path, *args], input=data, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def blob(self, data: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", data=data)

    def tree(self, *lines: Line) -> str:
        raw = b"".join(
            mode.lstrip("0").encode() + b" " + name + b"\0" + bytes.fromhex(oid)
            for mode, oid, name in sorted(lines, key=lambda line: line[2] + b"/" * (line[0] == "040000"))
        )
        return self.git("hash-object", "-w", "--literally", "-t", "tree", "--stdin", data=raw)

    def file(self, name: bytes, data: bytes = b"x", mode: str = "100644") -> Line:
        return (mode, self.blob(data), name)

    def folder(self, name: bytes, *lines: Line) -> Line:
        return ("040000", self.tree(*lines), name)

    def commit(
        self, tree: str, *parents: str, message: bytes = b"a commit", author: bytes = b"A <a@b>"
    ) -> str:
        head = b"".join(b"parent %s\n" % parent.encode() for parent in parents)
        raw = b"tree %s\n%sauthor %s 1700000000 +0000\ncommitter %s 1700000000 +0000\n\n%s" % (
            tree.encode(),
            head,
            author,
            author,
            message,
        )
        return self.git("hash-object", "-w", "--literally", "-t", "commit", "--stdin", data=raw)

    def bomb(self, levels: int = 9, width: int = 10, *, empty: bool = False) -> str:
        """10^9 files in 11 objects; with `empty` no file at all, folders only."""
        tree = self.tree() if empty else self.tree(*[self.file(b"f%d" % n) for n in range(width)])
        for _ in range(levels - 1):
            tree = self.tree(*[("040000", tree, b"d%d" % n) for n in range(width)])
        return tree


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A remote whose repository is made and empty."""
    found = Home(tmp_path / "remote")
    settings.make_bare(found.repo, interpreter=sys.executable)
    return found


@pytest.fixture
def repo(home: Home) -> Iterator[Repo]:
    """Its repository."""
    with Repo(home.repo) as found:
        yield found


@pytest.fixture
def store(repo: Repo) -> Store:
    """Raw objects in it."""
    return Store(repo)
