"""The remote's folder: which file lies where. One place, so that nothing else joins paths.

HOME/remote.yaml       the operator's: which branch goes to which target, and how
HOME/secrets/NAME/KEY  the operator's store: one file for each key, mode 0600
HOME/repo.git          the bare repository; its URL is what developers push to
HOME/state             ours, mode 0700: locks, journals, exports, caches, processes, the database
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

from gitops_cli.errors import Unavailable

_PASSABLE = 0o711


class Home:
    """Paths of one remote. Makes nothing."""

    def __init__(self, path: Path) -> None:
        """`path` is the remote's folder. Links are followed: hooks see only where they lead."""
        self.path = Path(os.path.realpath(path))
        self.repo = self.path / "repo.git"
        self.config = self.path / "remote.yaml"
        self.secrets = self.path / "secrets"
        self.state = self.path / "state"
        self.journals = self.state / "journal"
        self.pushes = self.state / "pushes"
        self.exports = self.state / "exports"
        self.cache = self.state / "cache"
        self.refs_lock = self.state / "refs.lock"
        self.digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]

    def lock(self, environment: str) -> Path:
        """Where the lock of an environment is."""
        return self.state / "locks" / f"{file_name(environment)}.lock"

    def journal(self, environment: str) -> Path:
        """Where the journals of an environment are: one file for each release."""
        return self.journals / file_name(environment)

    def local(self, environment: str) -> Path:
        """Where the `local` target keeps what an environment runs."""
        return self.state / "local" / file_name(environment)

    def kubernetes(self, environment: str) -> Path:
        """Where the `kubernetes` target keeps what an environment has in its cluster."""
        return self.state / "kubernetes" / file_name(environment)

    def kept(self, environment: str) -> Path:
        """Where rows go that a rollback drops."""
        return self.state / "kept" / file_name(environment)

    def asked(self, environment: str) -> Path:
        """Where the push options are that a followed branch's commit came with."""
        return self.state / "asked" / f"{file_name(environment)}.json"

    @property
    def database(self) -> Path:
        """Where the embedded PostgreSQL keeps its data.

        PostgreSQL refuses root, and the user that it then runs as cannot pass root's home (mode 0700).
        """
        return Path("/var/lib/gitops", self.digest) if os.geteuid() == 0 else self.state / "postgres"

    @property
    def runtime_place(self) -> Path:
        """Where the folder of `runtime` is, made or not."""
        return Path(f"/tmp/gitops-{os.geteuid()}-{self.digest}")  # noqa: S108 - owner and kind are checked

    def runtime(self) -> Path:
        """Make and give a short folder for Unix sockets: their paths end at 107 bytes.

        Raises `Unavailable` when somebody else made it first.
        """
        path = self.runtime_place
        path.mkdir(mode=_PASSABLE, exist_ok=True)
        found = path.lstat()
        if found.st_uid != os.geteuid() or not path.is_dir() or path.is_symlink():
            raise Unavailable(f"{path} belongs to somebody else", next_command=f"remove {path}")
        if found.st_mode & 0o777 != _PASSABLE:  # the umask had its say, and root's PostgreSQL is another user
            path.chmod(_PASSABLE)
        return path


def file_name(environment: str) -> str:
    """Make a file name of an environment's name: `preview/x` holds a slash."""
    return quote(environment, safe="")
