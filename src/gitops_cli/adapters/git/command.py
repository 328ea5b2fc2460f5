"""The one module that starts git, with an environment built from nothing.

git hands hooks a dozen variables, and over the file transport the pusher's own come along. Taking some away
has corrupted repositories (`unset GIT_DIR GIT_QUARANTINE_PATH` leaves GIT_OBJECT_DIRECTORY), so nothing is
taken away: every call gets exactly the variables made here. A `Place` says which of the two sets: a
repository alone, or a repository with the quarantine of the push that is coming in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitops_cli.adapters.git.child import Child
from gitops_cli.adapters.text import safe
from gitops_cli.errors import Failed, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from gitops_cli.adapters.processes import Done

    AnyPath: TypeAlias = str | os.PathLike[str]

SEARCH = (
    "/usr/bin",
    "/usr/local/bin",
    "/bin",
    "/opt/homebrew/bin",
    "/run/current-system/sw/bin",
    "/home/linuxbrew/.linuxbrew/bin",
)
"""Where git may lie. The pusher's PATH is not asked: over the file transport it is the pusher's own."""

FIXED = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}
CONFIG = (
    "safe.bareRepository=explicit",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.useReplaceRefs=false",
    "core.fsync=committed,reference,loose-object",
    "core.fsyncMethod=fsync",
    "gc.auto=0",
    "maintenance.auto=false",
)


class Place:
    """Where git works: a git directory and, inside pre-receive, the quarantine of the push."""

    def __init__(self, repo: AnyPath, quarantine: AnyPath | None = None) -> None:
        """Make both paths absolute: git's own GIT_DIR is `.`, which means another folder after a chdir."""
        self.repo = os.path.abspath(repo)  # noqa: PTH100 - pathlib costs the pre-push hook 12 modules
        self.quarantine = None if quarantine is None else os.path.abspath(quarantine)  # noqa: PTH100

    def environment(self) -> dict[str, str]:
        """Give the whole environment of a git process."""
        variables = {**FIXED, "GIT_DIR": self.repo}
        if self.quarantine is not None:
            variables |= {
                "GIT_QUARANTINE_PATH": self.quarantine,
                "GIT_OBJECT_DIRECTORY": self.quarantine,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{self.repo}/objects",
            }
        return variables

    def incoming(self) -> dict[str, str]:
        """Give the environment that sees the incoming objects only: the quarantine without the main store."""
        variables = self.environment()
        variables.pop("GIT_ALTERNATE_OBJECT_DIRECTORIES", None)
        return variables


_found: list[str] = []


def executable() -> str:
    """Give git's absolute path, looked up once. Raises `Unavailable`."""
    if not _found:
        for folder in SEARCH:
            if os.access(f"{folder}/git", os.X_OK):
                _found.append(f"{folder}/git")
                break
        else:
            raise Unavailable(f"git is in none of {', '.join(SEARCH)}", code="git.missing")
    return _found[0]


def _argv(place: Place, args: Sequence[str]) -> list[str]:
    config = [word for setting in CONFIG for word in ("-c", setting)]
    return [executable(), "-C", "/", *config, "-c", f"safe.directory={place.repo}", *args]


def call(  # noqa: PLR0913 - the four limits of a call, by name
    place: Place,
    args: Sequence[str],
    *,
    data: bytes = b"",
    timeout: float = 60.0,
    limit: int = 16 << 20,
    ok: Sequence[int] = (0,),
    pass_fds: Sequence[int] = (),
    env: dict[str, str] | None = None,
) -> Done:
    """Run git to its end; `timeout` in seconds, `limit` in bytes of output.

    Raises `Failed` (`git.failed`) unless the exit code is one of `ok`.
    """
    from gitops_cli.adapters import processes  # noqa: PLC0415 - 24 modules, and pre-push needs `start` alone

    done = processes.run(
        _argv(place, args),
        env=place.environment() if env is None else env,
        data=data,
        timeout=timeout,
        limit=limit,
        pass_fds=tuple(pass_fds),
    )
    if done.code not in ok:
        said = safe(done.err.strip() or f"exit code {done.code}", 300)
        raise Failed(f"git {args[0]} failed: {said}", code="git.failed")
    return done


def start(place: Place, args: Sequence[str], *, env: dict[str, str] | None = None) -> Child:
    """Start git with pipes for its input and output; its messages are dropped. The caller finishes it."""
    return Child(_argv(place, args), place.environment() if env is None else env)
