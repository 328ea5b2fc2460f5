"""Start, know and end processes. With `adapters.sandbox` the only code that starts one.

`subprocess` costs 16 to 33 ms to import, so it is imported where a process is really started.
"""

from __future__ import annotations

from gitops_cli.adapters.processes.environment import clean_env, plain_umask
from gitops_cli.adapters.processes.family import (
    die_with_parent,
    forget,
    kill_children,
    remember,
)
from gitops_cli.adapters.processes.identity import Identity, alive, end_all, identity, kill_group
from gitops_cli.adapters.processes.ports import free_port
from gitops_cli.adapters.processes.running import DEVNULL, PIPE, STDOUT, Done, run, spawn

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Done",
    "Identity",
    "alive",
    "clean_env",
    "die_with_parent",
    "end_all",
    "forget",
    "free_port",
    "identity",
    "kill_children",
    "kill_group",
    "plain_umask",
    "remember",
    "run",
    "spawn",
]
