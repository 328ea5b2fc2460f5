"""What the command loses before it starts: privileges, descriptors, resources."""

from __future__ import annotations

import os
import resource


def become(uid: int) -> None:
    """Take another uid and gid, in the user namespace where they are mapped."""
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def forbid_user_namespaces() -> None:
    """Forbid further user namespaces in this one: in them a tmpfs without limit could be mounted.

    The number belongs to the user namespace of who writes it: call this in a new one only.
    """
    try:
        with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("0")
    except OSError:  # a container with a read-only /proc/sys: then the tmpfs limit can be got round
        return


def limit(limits: dict[str, int | None], *, base: int) -> None:
    """Set the resource limits, never above those in force; `base` processes run already."""
    processes = limits["processes"]
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, limits["cpu"])
    _limit(resource.RLIMIT_AS, limits["memory"])
    _limit(resource.RLIMIT_NPROC, None if processes is None else processes + base)
    _limit(resource.RLIMIT_FSIZE, limits["file_size"])
    _limit(resource.RLIMIT_NOFILE, limits["open_files"])


def _limit(kind: int, value: int | None) -> None:
    if value is None:
        return
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def silence(descriptors: list[int]) -> None:
    """Let go of the command's streams and descriptors: they must close when the command closes them."""
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for descriptor in (null, *descriptors):
        os.close(descriptor)
