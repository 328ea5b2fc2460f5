"""What of this machine a command in a cage sees: a list of mounts, or of Landlock rules."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitops_cli.adapters.sandbox.levels import Cage

HOME = "/home/app"
"""The home folder inside a cage of the namespace levels."""

_SYSTEM = ("/usr", "/nix/store", "/gnu/store")
_MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Links into /usr on a merged system, folders elsewhere."""
_ETC = (
    *("alternatives", "crypto-policies", "gai.conf", "host.conf", "hostname", "hosts", "ld.so.cache"),
    *("ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release", "protocols"),
    *("pki/ca-trust/extracted", "pki/tls/cert.pem", "pki/tls/certs", "python3", "python3.11", "resolv.conf"),
    *("services", "ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "timezone"),  # never ssl/private
)
_PROC = ("cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "sys/vm/overcommit_memory", "version")
"""What programs read of /proc; the rest of it tells about other people's processes (`landlock`)."""
_DEVICES = ("full", "null", "random", "urandom", "zero")
_SCRATCH = (("/tmp", "tmp"), ("/var/tmp", "tmp"), ("/dev/shm", "shm"), (HOME, "home"))  # noqa: S108 - in the cage

Mount = tuple[str, str, str]
"""Kind (`read`, `write`, `hide`, `device`, `scratch`, `proc`), path inside, source outside."""


def _interpreter() -> Iterator[str]:
    """Give where this Python and its packages are, and our own package."""
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    beside = os.path.dirname(os.path.dirname(sys.executable))  # noqa: PTH120 - strings throughout
    if os.path.exists(f"{beside}/pyvenv.cfg"):  # noqa: PTH110 - as above
        yield beside  # hooks run with -S, and then no prefix is the virtual environment's (before 3.14)
    yield from (entry for entry in sys.path if entry.endswith(("/site-packages", "/dist-packages")))
    yield str(Path(__file__).parents[2])


def _base() -> Iterator[str]:
    yield from _SYSTEM
    yield from (path for path in _MERGED if not os.path.islink(path))  # noqa: PTH114 - strings throughout
    yield from (f"/etc/{name}" for name in _ETC)
    yield from _interpreter()


def links() -> list[tuple[str, str]]:
    """Give the links of the root folder, as (path, target)."""
    return [(path, os.readlink(path)) for path in _MERGED if os.path.islink(path)]  # noqa: PTH114, PTH115


def _both(kind: str, paths: Iterable[str]) -> Iterator[Mount]:
    """Mount each path under the name it was given by and under its real one: links point at either."""
    for path in paths:
        real = os.path.realpath(path)
        if real == "/" or not os.path.exists(real):  # noqa: PTH110
            continue
        yield kind, real, real
        if path != real and not path.startswith(_MERGED):
            yield kind, path, real


def _wanted(cage: Cage) -> tuple[list[str], list[str]]:
    """Give the caller's paths as absolute strings. Raises `Unavailable` for one that is missing."""
    read, write = ([os.path.abspath(path) for path in paths] for paths in (cage.read, cage.write))  # noqa: PTH100
    for path in (*read, *write):
        if not os.path.exists(path):  # noqa: PTH110
            raise Unavailable(f"{path} is to be seen in the sandbox and does not exist", code="sandbox.path")
    return read, write


def mounts(cage: Cage) -> list[Mount]:
    """Give the mounts of a new root folder, parents first. Raises `Unavailable` for a missing path."""
    read, write = _wanted(cage)
    found: dict[str, Mount] = {"/proc": ("proc", "/proc", "")}
    found.update({path: ("scratch", path, name) for path, name in _SCRATCH})
    devices = [f"/dev/{name}" for name in _DEVICES]
    hide = [os.path.realpath(path) for path in cage.hide]
    for mount in (*_both("read", _base()), *((("device", path, path)) for path in devices)):
        found.setdefault(mount[1], mount)
    for path in hide:
        found[path] = ("hide", path, "")
    for mount in (*_both("read", read), *_both("write", write)):
        found[mount[1]] = mount
    for folder, path in cage.show:
        inside = "/" + os.path.normpath("/" + path).lstrip("/")  # a `..` would leave the new root
        found[inside] = ("read", inside, os.path.realpath(folder))
    return sorted(found.values(), key=lambda mount: mount[1].count("/"))


def rules(cage: Cage) -> list[tuple[str, str]]:
    """Give (kind, path) for Landlock: kind `read`, `device` or `write`.

    Raises `Unavailable` for a missing path, and for a folder to hide below one that is seen: Landlock
    rules only add.
    """
    read, write = _wanted(cage)
    base = [mount[2] for mount in _both("read", _base())]
    real = [*(("read", os.path.realpath(path)) for path in read)]
    real += [("write", os.path.realpath(path)) for path in write]
    for path in map(os.path.realpath, cage.hide):
        seen = (*base, *(each for _, each in real))
        above = next((each for each in seen if f"{path}/".startswith(f"{each}/")), None)
        if above:
            raise Unavailable(
                f"{path} lies in {above}, which Landlock cannot hide a part of",
                code="sandbox.hide",
                next_command=f"move {path} out of {above}",
            )
    files = [("read", f"/proc/{name}") for name in _PROC if os.path.exists(f"/proc/{name}")]  # noqa: PTH110
    devices = [("device", f"/dev/{name}") for name in _DEVICES]
    return [*(("read", path) for path in dict.fromkeys(base)), *files, *devices, *real]


def accounts(uid: int) -> list[tuple[str, str]]:
    """Give (path, text) of files that are written for the cage: no name of this machine's users."""
    users = f"root:x:0:0::/:/bin/false\napp:x:{uid}:{uid}::{HOME}:/bin/sh\n"
    nobody = "nobody:x:65534:65534::/:/bin/false\n"
    return [("/etc/passwd", users + nobody), ("/etc/group", f"root:x:0:\napp:x:{uid}:\nnogroup:x:65534:\n")]
