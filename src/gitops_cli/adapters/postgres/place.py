"""Where one server of a remote keeps its things, and as whom it runs."""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import msgspec

from gitops_cli.adapters import clock
from gitops_cli.adapters.files import private_dir, read_or_none, write_atomic
from gitops_cli.adapters.flock import Flock
from gitops_cli.adapters.processes import clean_env
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitops_cli.adapters.home import Home

MAIN = "postgres"
_POLL = 0.01


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be known of a server while it is down. In the state folder, mode 0600."""

    superuser: str
    password: str
    port: int
    """0 until the data folder is in its place."""
    data: str = ""
    """Where the data folder was when this was written: root's does not move along with the remote."""


class Switch(TypedDict, total=False):
    """Arguments of `subprocess.Popen` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Place:
    """The files of one server: `postgres` for environments, `scratch-15` to rehearse for a foreign one."""

    home: Home
    name: str = MAIN

    @property
    def data(self) -> Path:
        """The data folder, owned by whoever the server runs as."""
        data = self.home.database
        return data if self.name == MAIN else data.with_name(f"{data.name}-{self.name}")

    @property
    def work(self) -> Path:
        """Where a data folder is made before it is renamed into its place."""
        return self.data.with_name(f".{self.data.name}.new")

    @property
    def lock(self) -> Path:
        """Held while a server is made, started or stopped."""
        return self.home.state / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.home.state / "log" / f"{self.name}.log"

    @property
    def cluster(self) -> str:
        """The name in the titles of the server's processes: by it they are found when their parent died."""
        return f"gitops-{self.home.digest}-{self.name}"

    @property
    def superuser(self) -> str:
        """Not `gitops` on a scratch server: the foreign database may have a role of that name."""
        return "gitops" if self.name == MAIN else "gitops_scratch_superuser"

    @property
    def throwaway(self) -> bool:
        """Whether the data may be made anew at any time."""
        return self.name != MAIN

    def sockets(self) -> Path:
        """Make and give the folder of the Unix socket.

        Everybody may pass (a cage runs as another uid) and nobody may list or write but the server.
        """
        folder = self.home.runtime() / ("pg" if self.name == MAIN else self.name)
        folder.mkdir(mode=0o711, exist_ok=True)
        folder.chmod(0o711)  # mkdir's mode goes through the umask
        if os.geteuid() == 0:
            account = server_account()
            os.chown(folder, account.pw_uid, account.pw_gid)
        return folder

    def kept(self) -> Kept | None:
        """Read what is kept; None before the server was made. Raises `Unavailable` when it is damaged."""
        path = self.home.state / f"{self.name}.json"
        data = read_or_none(path)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=Kept)
        except msgspec.MsgspecError:
            raise Unavailable(f"{path} is damaged", code="postgres.state") from None

    def keep(self, kept: Kept) -> None:
        """Write it down, durably."""
        private_dir(self.home.state)
        kept = msgspec.structs.replace(kept, data=str(self.data))
        write_atomic(self.home.state / f"{self.name}.json", msgspec.json.encode(kept))


def server_account() -> pwd.struct_passwd:
    """Name the user that PostgreSQL runs as. As root: `postgres` if there is one, else `nobody`."""
    if os.geteuid() != 0:
        try:
            return pwd.getpwuid(os.geteuid())
        except KeyError:
            raise Unavailable(
                f"PostgreSQL needs a name for user {os.geteuid()}, and /etc/passwd has none",
                code="postgres.user",
            ) from None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Unavailable("PostgreSQL refuses to run as root, and there is no user nobody", code="postgres.user")


def switch() -> Switch:
    """Give the arguments of Popen that make a child run as the server's user; empty for ordinary users."""
    if os.geteuid() != 0:
        return {}
    account = server_account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def environment() -> dict[str, str]:
    """Give the environment of PostgreSQL's programs: nothing of ours, English messages."""
    return clean_env({"LC_ALL": "C", "TZ": "UTC"})


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[int]:
    """Hold a lock that dies with its last holder; gives its descriptor. Raises `Unavailable`."""
    lock = Flock(path)
    deadline = clock.monotonic() + seconds
    while not lock.attempt():
        if clock.monotonic() > deadline:
            raise Unavailable(
                f"another process has held {path} for {seconds:g} seconds", code="postgres.busy"
            )
        clock.pause(_POLL)
    try:
        yield lock.fd
    finally:
        lock.leave()
