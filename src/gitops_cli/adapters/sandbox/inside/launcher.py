"""The launcher: makes the namespaces, starts the keeper in them, passes signals on, ends with its code.

    starter ── launcher (leads a session; the pid that `start` gives) ── keeper (process 1) ── command

The launcher dies with its starter if asked to, the keeper with the launcher, everything with the keeper.
A death signal is cleared by a change of uid and belongs to the starting thread, so it is set last and by
the only thread there is.
"""

from __future__ import annotations

import marshal
import os

from gitops_cli.adapters.sandbox.inside import command, confine, keeper, kernel, landlock, newroot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_SIGKILL = 9
_FAILED = 125
_NAMESPACES = kernel.NEWPID | kernel.NEWIPC


def main(descriptor: int) -> int:
    """Read the configuration and run; give the exit code."""
    with os.fdopen(descriptor, "rb") as file:
        config: dict[str, Any] = marshal.load(file)  # noqa: S302 - written by our own starter, in memory
    os.set_inheritable(config["report"], False)
    os.umask(0o022)
    try:
        return _launch(config)
    except (kernel.Denied, OSError) as error:
        return _say(config, error)


def _say(config: dict[str, Any], error: Exception) -> int:
    os.write(config["report"], str(error).encode()[:1000])
    return _FAILED


def _launch(config: dict[str, Any]) -> int:
    if config["starter"]:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, _SIGKILL, "PDEATHSIG")
        if os.getppid() != config["starter"]:
            return _FAILED
    if config["level"] == "landlock":
        landlock.abi()
    elif config["level"] in ("uid", "userns"):
        _unshare(config)
    keeper.mask()
    alive, stay = os.pipe()  # `stay` is the launcher's alone: its end tells of a death before PDEATHSIG can
    asked, ask = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(stay)
        _keep(config, alive, ask)
    os.close(alive)
    os.close(ask)
    if config["level"] == "uid" and os.read(asked, 1):
        _map(f"/proc/{child}", config["uid"], config["uid"])
        os.write(stay, b"!")
    os.close(config["report"])
    confine.silence(config["fds"])
    return keeper.watch(child)


def _unshare(config: dict[str, Any]) -> None:
    flags = _NAMESPACES if config["network"] else _NAMESPACES | kernel.NEWNET
    if config["level"] == "uid":
        kernel.unshare(flags, "namespaces")
        return
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(flags | kernel.NEWUSER, "user namespace")
    with open("/proc/self/setgroups", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib is not loaded
        file.write("deny")
    _map("/proc/self", config["uid"], uid, gid)
    confine.forbid_user_namespaces()


def _map(folder: str, inside: int, uid: int, gid: int | None = None) -> None:
    for name, outside in (("uid_map", uid), ("gid_map", uid if gid is None else gid)):
        try:
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
                file.write(f"{inside} {outside} 1")
        except OSError as error:  # uid 0 needs CAP_SETFCAP to map itself (Linux 5.12)
            raise kernel.Denied(f"{name}: {error.strerror}") from error


def _keep(config: dict[str, Any], alive: int, ask: int) -> NoReturn:
    """Be the keeper; never return into the launcher's frames."""
    code = _FAILED
    try:
        code = _confined(config, alive, ask) if config["level"] in ("uid", "userns") else _bare(config, alive)
    except (kernel.Denied, OSError) as error:
        _say(config, error)
    finally:
        os._exit(code)


def _confined(config: dict[str, Any], alive: int, ask: int) -> int:
    kernel.unshare(kernel.NEWNS, "mount namespace")  # here: pivot_root moves everybody in the namespace
    newroot.build(config)
    if config["level"] == "uid":
        _own_user_namespace(config["uid"], alive, ask)
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0, "PR_SET_DUMPABLE")  # the command may not trace its keeper
    kernel.prctl(kernel.PR_SET_PDEATHSIG, _SIGKILL, "PDEATHSIG")
    return _run(config, alive)


def _own_user_namespace(uid: int, alive: int, ask: int) -> None:
    """Become `uid`, in a user namespace where it is the only one: process limits count in it alone.

    Where user namespaces are switched off the command cannot make one either, and plain `uid` will do.
    """
    os.setgroups([])
    try:
        kernel.unshare(kernel.NEWUSER, "user namespace")
    except kernel.Denied:
        os.close(ask)
        confine.become(uid)
        return
    os.write(ask, b"?")
    os.close(ask)
    if not os.read(alive, 1):  # the launcher is dead
        os._exit(_FAILED)
    confine.become(uid)
    confine.forbid_user_namespaces()


def _bare(config: dict[str, Any], alive: int) -> int:
    os.setsid()  # a SIGKILL to the launcher's group must leave somebody to clean up
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER")
    kernel.prctl(kernel.PR_SET_PDEATHSIG, keeper.ALONE, "PDEATHSIG")
    try:
        return _run(config, alive)
    finally:
        keeper.kill_descendants()
        if config["private"]:
            import shutil  # noqa: PLC0415 - 15 ms, when nobody waits any more

            shutil.rmtree(config["private"], ignore_errors=True)


def _run(config: dict[str, Any], alive: int) -> int:
    os.set_blocking(alive, False)
    try:
        os.read(alive, 1)
    except BlockingIOError:
        pass
    else:
        return _FAILED  # end of file: the launcher is dead
    child = os.fork()
    if child == 0:
        command.execute(config)
    os.close(config["report"])
    confine.silence(config["fds"])
    return keeper.wait(child)
