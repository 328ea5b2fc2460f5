"""What each level stops: the table of docs/explanation/sandbox.md, measured."""

from __future__ import annotations

import ctypes
import json
import os

import pytest

from gitops_cli.adapters import sandbox
from tests.sandbox.tools import MIB, PYTHON, Ground, run

ROOT = os.geteuid() == 0
LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1)
"""Its version in this kernel: TCP from 4 on, signals and abstract sockets from 6."""

_NONE = {
    "kill_process": True,
    "read_secret": True,
    "list_remote": True,
    "write_repository": True,
    "truncate_secret": True,
    "reach_loopback": True,
    "reach_abstract_socket": True,
    "reach_unlisted_socket": True,
    "reach_database_socket": True,
    "replace_database_socket": True,
    "fill_disk": True,
    "fork_bomb": ROOT,
    "read_environment_of_others": True,
    "see_host_processes": True,
    "become_root": ROOT,
}
_LANDLOCK = {
    **dict.fromkeys(_NONE, False),
    "kill_process": LANDLOCK < 6,
    "reach_loopback": LANDLOCK < 4,
    "reach_abstract_socket": LANDLOCK < 6,
    "reach_unlisted_socket": True,
    "reach_database_socket": True,
    "fill_disk": True,
    "fork_bomb": ROOT,
    "trace_keeper": False,
}
_NAMESPACES = {
    **dict.fromkeys(_NONE, False),
    "reach_database_socket": True,
    "read_environment_of_process_1": False,
    "new_user_namespace": False,
    "trace_keeper": False,
}
EXPECTED = {
    sandbox.Level.NONE: _NONE,
    sandbox.Level.LANDLOCK: _LANDLOCK,
    sandbox.Level.USERNS: {**_NAMESPACES, "fork_bomb": ROOT},  # the real uid stays 0: no limit of processes
    sandbox.Level.UID: _NAMESPACES,
}


@pytest.mark.row(36)
def test_attacks_succeed_exactly_where_the_table_says(level: sandbox.Level, ground: Ground) -> None:
    expected = EXPECTED[level]
    cage = sandbox.Cage(
        level=level,
        read=(ground.script.parent, ground.database.parent),
        limits=sandbox.Limits(processes=100, file_size=50 * MIB, tmpfs=64 * MIB),
    )

    done = run(cage, *PYTHON, str(ground.script), ground.aim(*expected))

    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == expected
    if expected["kill_process"]:
        ground.victim.wait(60)  # it has its signal and may not have died of it yet
    assert (ground.victim.poll() is None) is not expected["kill_process"]


def test_the_machine_network_is_there_only_when_asked_for(namespaced: sandbox.Level, ground: Ground) -> None:
    cage = sandbox.Cage(level=namespaced, read=(ground.script.parent,), network=True)

    done = run(cage, *PYTHON, str(ground.script), ground.aim("reach_loopback", "read_secret"))

    assert json.loads(done.stdout) == {"reach_loopback": True, "read_secret": False}
