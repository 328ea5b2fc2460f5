"""Pushed code at its worst: runs inside a cage and says, as JSON, which of its attacks succeeded.

Its only argument is a JSON object with what to attack. It never hurts what the test did not name.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

NEWUSER = 0x10000000
MEGABYTE = 1 << 20
Aim = dict[str, Any]


def kill_process(aim: Aim) -> bool:
    os.kill(aim["victim"], signal.SIGUSR1)  # ends a `sleep`
    return True


def read_secret(aim: Aim) -> bool:
    return Path(aim["secret"]).read_text() == str(aim["secret_text"])


def list_remote(aim: Aim) -> bool:
    return any(Path(aim["secret"]).parent.iterdir())


def write_repository(aim: Aim) -> bool:
    Path(aim["repository"], "hooks", "post-receive").write_text("#!/bin/sh\n")
    return True


def truncate_secret(aim: Aim) -> bool:
    os.truncate(aim["repository"] + "/HEAD", 0)
    return True


def reach_loopback(aim: Aim) -> bool:
    socket.create_connection(("127.0.0.1", aim["port"]), 2).close()
    return True


def reach_abstract_socket(aim: Aim) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + aim["abstract"])
    return True


def reach_unlisted_socket(aim: Aim) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(aim["unlisted"])
    return True


def reach_database_socket(aim: Aim) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(aim["database"])
    return True


def replace_database_socket(aim: Aim) -> bool:
    Path(aim["database"]).unlink()
    return True


def fill_disk(aim: Aim) -> bool:
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    try:
        for number in range(aim["files"]):
            with (folder / f"fill-{number}").open("wb") as file:
                for _ in range(9):
                    file.write(bytes(MEGABYTE))
        return True
    finally:
        for path in folder.glob("fill-*"):
            path.unlink()


def fork_bomb(aim: Aim) -> bool:
    children = []
    try:
        for _ in range(aim["forks"]):
            child = os.fork()
            if not child:
                signal.pause()
            children.append(child)
        return True
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def read_environment_of_others(aim: Aim) -> bool:
    """Read the environments of the machine's processes, and of process 1 (in a cage, its keeper)."""
    Path("/proc", str(aim["victim"]), "environ").read_bytes()
    return True


def read_environment_of_process_1(aim: Aim) -> bool:
    Path("/proc/1/environ").read_bytes()
    return True


def see_host_processes(aim: Aim) -> bool:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            if aim["marker"].encode() in command and int(folder.name) != os.getpid():
                return True
        except OSError:
            continue
    return False


def new_user_namespace(aim: Aim) -> bool:
    return int(ctypes.CDLL(None).unshare(NEWUSER)) == 0


def become_root(aim: Aim) -> bool:
    if os.getuid() == 0:
        have = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        if ctypes.CDLL(None).capget(ctypes.byref(header), ctypes.byref(have)):
            raise OSError("capget")
        return any(have)
    os.setuid(0)
    return True


def trace_keeper(aim: Aim) -> bool:
    return int(ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)) == 0  # PTRACE_ATTACH


ATTACKS = (
    read_secret,
    list_remote,
    write_repository,
    truncate_secret,
    reach_loopback,
    reach_abstract_socket,
    reach_unlisted_socket,
    reach_database_socket,
    replace_database_socket,
    fill_disk,
    fork_bomb,
    read_environment_of_others,
    read_environment_of_process_1,
    see_host_processes,
    become_root,
    new_user_namespace,
    trace_keeper,
    kill_process,
)


def main() -> None:
    aim = json.loads(sys.argv[1])
    found = {}
    for attack in ATTACKS:
        if aim["only"] and attack.__name__ not in aim["only"]:
            continue
        try:
            found[attack.__name__] = attack(aim)
        except (OSError, ValueError):
            found[attack.__name__] = False
    sys.stdout.write(json.dumps(found))


main()
