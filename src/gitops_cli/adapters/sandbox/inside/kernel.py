"""The calls that Python's `os` does not have, by ctypes. Numbers are from the kernel's headers."""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47
_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_SYS_MOUNT_SETATTR = 442  # one number for all architectures, as all since Linux 5.1
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000


class Denied(Exception):
    """A step of the confinement was refused; the text says which and why."""


def check(result: int, what: str) -> int:
    """Give the result of a call; raise `Denied` for -1."""
    if result == -1:
        raise Denied(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def syscall(number: int, *args: object) -> int:
    """Make a system call that the C library has no name for; -1 is an error."""
    return int(_libc.syscall(ctypes.c_long(number), *args))


def errno() -> int:
    """Give the error of the last call."""
    return ctypes.get_errno()


def unshare(flags: int, what: str) -> None:
    """Leave namespaces for new ones."""
    check(_libc.unshare(flags), what)


def prctl(option: int, value: int, what: str, extra: int = 0) -> None:
    """Change a property of this process."""
    check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(extra), 0, 0), what)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount; an empty source or kind is NULL."""
    parts = [os.fsencode(part) or None for part in (source, target, kind)]
    data = os.fsencode(options) or None
    check(_libc.mount(*parts, ctypes.c_ulong(flags), data), f"mount {target}")


def attributes(target: str, flags: int, *, recursive: bool = True) -> None:
    """Add flags to a mount and those below it, keeping the flags it has."""
    attr = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    done = syscall(
        _SYS_MOUNT_SETATTR,
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        ctypes.byref(attr),
        ctypes.c_size_t(32),
    )
    check(done, f"mount_setattr {target} (Linux 5.12 or later)")


def pivot(new: str, old: str) -> None:
    """Change the root folder."""
    check(_libc.pivot_root(os.fsencode(new), os.fsencode(old)), "pivot_root")


def detach(target: str) -> None:
    """Take a tree of mounts away."""
    check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def drop_capabilities() -> None:
    """Give up every capability, and with no_new_privs any way to have one again."""
    prctl(PR_SET_NO_NEW_PRIVS, 1, "no_new_privs")
    _libc.prctl(PR_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)  # Linux 4.3; without it there are none
    for number in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == -1:  # not ours to drop, or past the last one
            break
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    check(_libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())), "capset")
