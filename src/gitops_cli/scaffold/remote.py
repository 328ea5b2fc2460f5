"""`gitops remote init`: a folder that is a remote. Repository, hooks, remote.yaml; nothing is started."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from gitops_cli.adapters import sandbox, templates
from gitops_cli.adapters.files import read_or_none, write_atomic
from gitops_cli.adapters.git.settings import make_bare
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.text import safe
from gitops_cli.config.remote import DatabaseAt, load_remote
from gitops_cli.errors import BadInput, Refused

if TYPE_CHECKING:
    from gitops_cli.adapters.created import Created


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A remote that is there now."""

    home: str
    url: str
    """What developers push to."""
    new: bool
    notes: tuple[str, ...] = ()


def default_home(project: str, top: Path) -> Home:
    """Give the folder of a project's remote on this machine, under the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    digest = hashlib.sha256(os.fsencode(top)).hexdigest()[:8]
    return Home(base / "gitops" / f"{project}-{digest}")


def home_of(url: str) -> Home | None:
    """Give the remote's folder when a URL is a path on this machine; None: it is somewhere else."""
    path = urlsplit(url).path if url.startswith("file://") else url
    if "://" in path or ":" in path.split("/", 1)[0]:
        return None  # as git reads it: `scheme://` and `host:path` are elsewhere, anything else is a path
    folder = Path(path).expanduser()
    return Home(folder.parent if folder.name == "repo.git" else folder)


def is_remote(home: Home) -> bool:
    """Say whether a folder is a remote already, whole."""
    return os.path.exists(home.config) and os.path.exists(home.repo / "HEAD")  # noqa: PTH110 - may be closed


def may_operate(home: Home) -> bool:
    """Say whether this account may read and change the remote's state: it is its operator's, or root's."""
    place = home.state if os.path.exists(home.state) else home.path  # noqa: PTH110 - as above
    return is_remote(home) and os.access(home.config, os.R_OK) and os.access(place, os.R_OK | os.W_OK)


def make_remote(home: Home, branch: str, created: Created, *, instead: str = "") -> Made:
    """Make what a remote lacks; a remote that is whole stays as it is. Raises `Refused`, `Unavailable`.

    `instead`: the command to type next where `branch` is none that can release.
    """
    if is_remote(home):
        make_bare(home.repo)  # mends settings and hooks; changes nothing where they are as they should be
        return Made(home=str(home.path), url=str(home.repo), new=False)
    _refuse_strangers(home)
    text, notes = _remote_yaml(branch)
    _refuse_branch(text, branch, instead or f"gitops remote init {home.path} --branch main")
    created.folder(home.path, 0o700)
    if not (home.repo / "HEAD").exists():
        created.grown(home.repo)
        make_bare(home.repo)
        write_atomic(
            home.repo / "HEAD", f"ref: refs/heads/{branch}\n".encode(), 0o644
        )  # what a clone checks out
    created.grown(home.state)
    created.folder(home.secrets, 0o700)
    if not home.config.exists():
        created.write(home.config, text.encode(), 0o600)
    return Made(home=str(home.path), url=str(home.repo), new=True, notes=notes)


def show(home: Home) -> dict[str, Any]:
    """Read what a remote releases, and where. Raises `Refused`, `BadInput` with file and line."""
    data = read_or_none(home.config)
    if data is None:
        raise Refused(
            f"{home.path} is no remote: it has no remote.yaml",
            code="remote.none",
            next_command=f"gitops remote init {home.path}",
        )
    remote = load_remote(data, str(home.config))
    found = sandbox.probe()
    embedded = any(one.database == "embedded" for one in remote.environments.values())
    return {
        "home": str(home.path),
        "url": str(home.repo),
        "data": str(home.database) if embedded else "",
        "sandbox": {"wanted": remote.sandbox, "found": str(found.level.value), "reason": found.reason},
        "environments": {
            environment.name: {
                "branch": environment.branch,
                "target": environment.target_name,
                "database": "elsewhere"
                if isinstance(environment.database, DatabaseAt)
                else environment.database,
                "release": environment.release,
                "freeze": environment.policy.freeze,
            }
            for environment in remote.environments.values()
        },
    }


def _refuse_branch(text: str, branch: str, instead: str) -> None:
    """Refuse a branch that no remote.yaml takes before anything is made: there is no file to mend yet."""
    try:
        load_remote(text.encode(), "remote.yaml")
    except BadInput as error:
        raise Refused(
            f"the branch {safe(branch, 60)} cannot release: the name of one that does is short and has only "
            "lower-case letters, digits and `._/-`, such as main",
            code="remote.branch-name",
            next_command=instead,
        ) from error


def _refuse_strangers(home: Home) -> None:
    """Never make a remote inside a folder that holds something else."""
    ours = {home.repo.name, home.config.name, home.secrets.name, home.state.name}
    if home.path.is_dir():
        others = sorted({path.name for path in home.path.iterdir()} - ours)
        if others:
            raise Refused(
                f"holds {safe(others[0], 60)} already: a remote needs a folder of its own",
                code="remote.not-empty",
                file=str(home.path),
            )


def _remote_yaml(branch: str) -> tuple[str, tuple[str, ...]]:
    found = sandbox.probe()
    lines = "sandbox: auto"
    notes: tuple[str, ...] = ()
    if found.level is sandbox.Level.NONE:
        reason = safe(found.reason, 150).replace('"', "'").replace("\\", "/")
        lines = f'sandbox: none\nsandboxReason: "{reason}"'
        why = f"no sandbox on this machine ({reason}): pushed code may do what you may"
        notes = (f"{why}; let nobody push whom you would not give this account",)
    return templates.read("remote/remote.yaml", sandbox=lines, branch=branch), notes
