"""A root folder of its own, made of read-only binds and one tmpfs of limited size.

The order is bubblewrap's: pivot onto a tmpfs with the old root below it, so that paths in /tmp can be
sources too; build; take the old root away; pivot into what was built.
"""

from __future__ import annotations

import os

from gitops_cli.adapters.sandbox.inside import kernel

TYPE_CHECKING = False  # the module `typing` costs 5 ms
if TYPE_CHECKING:
    from typing import Any

_OLD, _NEW, _SCRATCH = "/old", "/new", "/scratch"
_QUIET = kernel.MS_NOSUID | kernel.MS_NODEV
_INODES = 65536
"""An empty file costs the kernel 1 KiB that `size` does not count."""


def build(config: dict[str, Any]) -> None:
    """Make the root folder of `config` and move into it. Raises `Denied` and `OSError`."""
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    base = "/tmp"  # noqa: S108 - any folder will do; it is covered in this mount namespace alone
    kernel.mount("gitops", base, "tmpfs", _QUIET, "mode=0755,size=1m,nr_inodes=16384")
    os.mkdir(base + _OLD)  # noqa: PTH102 - pathlib is not loaded here
    kernel.pivot(base, base + _OLD)
    os.chdir("/")
    for folder in (_NEW, _SCRATCH):
        os.mkdir(folder)  # noqa: PTH102
    kernel.mount(_NEW, _NEW, "", kernel.MS_BIND)
    _scratch(config["tmpfs"], config["uid"])
    for path, target in config["links"]:
        os.symlink(target, _NEW + path)  # noqa: PTH211
    hidden = [_place(*each) for each in config["mounts"]]
    for path, text in config["files"]:
        _make(_NEW + path, folder=False, text=text)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink("/proc/self/fd" + target, f"{_NEW}/dev/{name}")  # noqa: PTH211
    os.makedirs(_NEW + "/run", exist_ok=True)  # noqa: PTH103
    for path in filter(None, hidden):
        kernel.attributes(path, kernel.ATTR_RDONLY, recursive=False)
    kernel.detach(_OLD)
    os.chdir(_NEW)
    kernel.pivot(".", ".")
    kernel.detach(".")
    os.chdir("/")
    kernel.attributes("/", kernel.ATTR_RDONLY, recursive=False)


def _scratch(size: int, uid: int) -> None:
    kernel.mount("gitops", _SCRATCH, "tmpfs", _QUIET, f"mode=0755,size={size},nr_inodes={_INODES}")
    for name, mode in (("tmp", 0o1777), ("shm", 0o1777), ("home", 0o700)):
        path = f"{_SCRATCH}/{name}"
        os.mkdir(path)  # noqa: PTH102
        os.chmod(path, mode)  # noqa: PTH101
    if os.geteuid() == 0 and uid:
        os.chown(_SCRATCH + "/home", uid, uid)


def _place(kind: str, path: str, source: str) -> str:
    """Put one mount in its place; give its path if it must become read-only at the end."""
    target = _NEW + path
    if kind == "hide":
        if os.path.isdir(target):  # noqa: PTH112 - else nothing of it is seen anyway
            kernel.mount("gitops", target, "tmpfs", _QUIET, "mode=0755,size=1m")
            return target
        return ""
    if kind == "proc":
        _make(target, folder=True)
        _proc(target)
        return ""
    outside = f"{_SCRATCH}/{source}" if kind == "scratch" else _OLD + source
    _make(target, folder=os.path.isdir(outside))  # noqa: PTH112
    kernel.mount(outside, target, "", kernel.MS_BIND | kernel.MS_REC)
    if kind == "read":
        kernel.attributes(target, kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV)
    elif kind == "write":
        kernel.attributes(target, kernel.ATTR_NOSUID | kernel.ATTR_NODEV)
    return ""


def _proc(target: str) -> None:
    """Mount a process table of this pid namespace alone.

    In a container that masks parts of /proc a user namespace may not: /proc is then empty.
    """
    try:
        kernel.mount("proc", target, "proc", _QUIET | kernel.MS_NOEXEC)
    except kernel.Denied:
        if not os.path.exists(f"{_OLD}/proc/self"):  # noqa: PTH110 - no /proc here at all
            raise


def _make(path: str, *, folder: bool, text: str = "") -> None:
    """Make a folder or a file to mount on, and the folders above it."""
    if os.path.lexists(path):
        return
    os.makedirs(path if folder else os.path.dirname(path), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
    if not folder:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(descriptor, text.encode())
        os.close(descriptor)
