"""Landlock: rules for this process and all its children that can never be lifted (Linux 5.13 and later).

Checked against `include/uapi/linux/landlock.h`. Needs ABI 3 (Linux 6.2): before it files could be truncated.
"""

from __future__ import annotations

import ctypes
import os
import sys

from gitops_cli.adapters.sandbox.inside import kernel

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_ABI_TRUNCATE, _ABI_TCP, _ABI_IOCTL, _ABI_SCOPE = 3, 4, 5, 6
_EXECUTE, _WRITE, _READ, _READ_DIR, _TRUNCATE, _IOCTL = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_SEE = _EXECUTE | _READ | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_TCP_BIND_AND_CONNECT = 3
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 3


def abi() -> int:
    """Give the version of Landlock in this kernel; raise `Denied` without one that will do."""
    version = kernel.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    kernel.check(version, "Landlock")
    if version < _ABI_TRUNCATE:
        raise kernel.Denied(f"Landlock ABI {version} cannot forbid truncating files (Linux 6.2 can)")
    return version


def restrict(rules: list[tuple[str, str]], *, network: bool) -> None:
    """Forbid all files but those of `rules` (kind `read`, `device` or `write`, path); raise `Denied`.

    Without `network`, TCP too (ABI 4); signals and abstract sockets to anybody outside (ABI 6).
    """
    version = abi()
    handled = (1 << (16 if version >= _ABI_IOCTL else 15)) - 1
    tcp = _TCP_BIND_AND_CONNECT if version >= _ABI_TCP and not network else 0
    scope = _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version >= _ABI_SCOPE else 0
    attr = (ctypes.c_uint64 * 3)(handled, tcp, scope)
    size = 24 if version >= _ABI_SCOPE else 16 if version >= _ABI_TCP else 8
    made = kernel.syscall(_CREATE, ctypes.byref(attr), ctypes.c_size_t(size), ctypes.c_uint32(0))
    ruleset = kernel.check(made, "landlock_create_ruleset")
    for kind, path in rules:
        _allow(ruleset, path, {"read": _SEE, "device": _READ | _WRITE | _IOCTL}.get(kind, handled) & handled)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1, "no_new_privs")
    done = kernel.syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    kernel.check(done, "landlock_restrict_self")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not os.path.isdir(path):  # noqa: PTH112 - pathlib is not loaded here
        rights &= _OF_FILES
    rule = (ctypes.c_char * 12).from_buffer_copy(
        rights.to_bytes(8, sys.byteorder) + descriptor.to_bytes(4, sys.byteorder)
    )  # a packed struct
    done = kernel.syscall(_ADD, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), 0)
    kernel.check(done, f"landlock_add_rule {path}")
    os.close(descriptor)
