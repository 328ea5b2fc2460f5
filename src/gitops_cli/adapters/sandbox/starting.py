"""Start a command in a cage."""

from __future__ import annotations

import marshal
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gitops_cli.adapters import processes
from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.processes.environment import EMPTY_HOME
from gitops_cli.adapters.sandbox import view
from gitops_cli.adapters.sandbox.levels import Cage, Level, uid_for
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

_LAUNCHER = Path(__file__).with_name("inside")
_PYTHON: str = getattr(sys, "_base_executable", "") or sys.executable
"""The interpreter itself, without the detour over a virtual environment's `pyvenv.cfg`."""
_INSIDE_UID = 1000
"""What uid 0 is called in its own user namespace: an exec as 0 would get capabilities."""


def start(  # noqa: PLR0913 - all but the first two by name
    cage: Cage,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | Path = "/",
    stdin: int | IO[bytes] = processes.DEVNULL,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    pass_fds: Sequence[int] = (),
    die_with_starter: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a command in a cage; return when it runs (about 30 ms).

    The process given is the launcher, which leads a session: killing it in any way kills everything in the
    cage; SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 reach the command's group; it ends with the
    command's code, 128 + N for signal N. `env` is all that the command gets; a HOME that is missing or empty
    becomes a folder that it may write. With `die_with_starter`, everything dies when the *thread* that called
    this ends. Raises `Unavailable` when the cage or the command cannot be had.
    """
    private = "" if cage.level.namespaced else _private_folder()
    report, write_end = os.pipe()
    memory = os.memfd_create("cage")
    try:
        config = _config(cage, [os.fspath(word) for word in argv], dict(env), os.fspath(cwd), private)
        config.update(fds=list(pass_fds), report=write_end, starter=os.getpid() if die_with_starter else 0)
        os.write(memory, marshal.dumps(config))
        os.lseek(memory, 0, os.SEEK_SET)
        child = processes.spawn(
            [_PYTHON, "-I", "-S", str(_LAUNCHER), str(memory)],
            env=processes.clean_env(),  # never `env`: an LD_PRELOAD of the push would run outside of the cage
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(*pass_fds, memory, write_end),
        )
    except BaseException:
        os.close(report)
        _forget(private)
        raise
    finally:
        os.close(write_end)
        os.close(memory)
    if die_with_starter:
        processes.remember(child)
    _await_start(child, report, private)
    return child


def _await_start(child: subprocess.Popen[bytes], report: int, private: str) -> None:
    """Read the report to its end, which comes with the exec of the command. Raises `Unavailable`."""
    with os.fdopen(report, "rb") as file:
        failure = file.read(1000).decode("utf-8", "replace")
    if failure:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream:
                stream.close()
        _forget(private)
        raise Unavailable(f"the sandbox cannot start it ({failure})", code="sandbox.start")


def _private_folder() -> str:
    path = f"/tmp/gitops-cage-{os.getpid()}-{os.urandom(8).hex()}"  # noqa: S108 - fails if it exists
    Path(path).mkdir(mode=0o700)
    return path


def _forget(private: str) -> None:
    if private:
        remove_tree(Path(private))


def _uid(cage: Cage) -> int:
    if cage.level is Level.UID:
        return cage.uid or uid_for("gitops")
    return os.geteuid() or _INSIDE_UID


def _config(cage: Cage, argv: list[str], env: dict[str, str], cwd: str, private: str) -> dict[str, Any]:
    uid = _uid(cage)
    if env.get("HOME", EMPTY_HOME) == EMPTY_HOME:
        env["HOME"] = private or view.HOME
    if private:
        env.setdefault("TMPDIR", private)
    config: dict[str, Any] = {
        "level": cage.level.value,
        "argv": argv,
        "env": env,
        "cwd": cwd,
        "uid": uid,
        "network": cage.network,
        "private": private,
        "limits": {name: getattr(cage.limits, name) for name in cage.limits.__struct_fields__},
        "tmpfs": cage.limits.tmpfs,
    }
    if cage.level.namespaced:
        config.update(mounts=view.mounts(cage), links=view.links(), files=view.accounts(uid))
    elif cage.level is Level.LANDLOCK:
        config.update(rules=[*view.rules(cage), ("write", private)])
    return config
