"""A remote with its hooks, a plain clone that pushes to it, and a client that says what no client would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gitops_cli
from gitops_cli.adapters.git import settings
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.home import Home
from tests.git.conftest import Store
from tests.support.speaking import EMPTY_PACK, ZERO, Answer, pack_of, say

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRY = Path(gitops_cli.__file__).parent / "hooks" / "entry.py"
REMOTE = "version: 1\nsandbox: auto\nenvironments:\n  production: {branch: main, database: none}\n"
__all__ = ["EMPTY_PACK", "ZERO", "Answer", "Push"]


class Push:
    """A plain clone and the remote it pushes to."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        self.folder = folder
        subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
        self.git("remote", "add", "gitops", str(home.repo))
        self.first = self.commit({"README": b"hello\n"})

    def git(self, *args: str, data: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *args], input=data, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def commit(self, files: dict[str, bytes], message: str = "a commit") -> str:
        for name, data in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    @property
    def store(self) -> Store:
        """Raw objects in the clone."""
        return Store(Repo(self.folder / ".git"))

    def publish(self, oid: str, ref: str = "refs/heads/main") -> None:
        """Put a ref into the remote without a push."""
        subprocess.run(["git", "-C", str(self.home.repo), "fetch", "-q", str(self.folder), oid], check=True)
        subprocess.run(["git", "-C", str(self.home.repo), "update-ref", ref, oid], check=True)

    def push(self, *args: str, env: dict[str, str] | None = None) -> Answer:
        """Push with git's own client."""
        done = subprocess.run(
            ["git", "-C", str(self.folder), "push", "gitops", *args],
            capture_output=True,
            check=False,
            timeout=60,
            env=os.environ | (env or {}),
        )
        return Answer(done.returncode, (done.stdout + done.stderr).decode("utf-8", "surrogateescape"))

    def say(
        self,
        commands: Sequence[tuple[str, str, bytes]],
        pack: bytes = EMPTY_PACK,
        options: Sequence[bytes] | None = None,
    ) -> Answer:
        """Speak to receive-pack by hand: (old, new, name) each; an empty `pack` sends none."""
        return say(self.home.repo, commands, pack, options)

    def pack(self, *oids: str) -> bytes:
        """Pack exactly these objects."""
        return pack_of(self.folder, *oids)

    def picture(self) -> dict[str, bytes]:
        """Every file of the remote that a refused push must leave alone."""
        return {
            str(p.relative_to(self.home.path)): p.read_bytes()
            for p in self.home.path.rglob("*")
            if p.is_file()
        }


@pytest.fixture
def remote(tmp_path: Path) -> Push:
    """A remote whose `main` releases and does not exist yet, and a clone with one commit."""
    home = Home(tmp_path / "remote")
    settings.make_bare(home.repo, interpreter=sys.executable)
    home.config.write_text(REMOTE)
    return Push(home, tmp_path / "app")


@pytest.fixture
def released(remote: Push) -> Push:
    """The same, with the first commit published as `main`."""
    remote.publish(remote.first)
    return remote
