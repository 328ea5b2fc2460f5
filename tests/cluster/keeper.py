"""The process that starts a cluster's parts, says so in `state`, and ends them when it ends.

`python -m tests.cluster.keeper FOLDER [--node SLOT] [--owner FIFO]`. With a node it is the first process
of its namespaces. It ends by SIGTERM, when a part ends, and when nobody has the FIFO open for writing any
more: a test run that was killed leaves no cluster behind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import sys
from pathlib import Path

from tests.cluster import control_plane, node, wire
from tests.cluster.build import build
from tests.cluster.control_plane import Address
from tests.cluster.parts import Parts, free_port
from tests.cluster.wire import Slot

READY = "ready"
SERVICES = "10.96.0.0/16"


def say(folder: Path, state: str) -> None:
    """Write the state as a whole: it is being read."""
    new = folder / "state.new"
    new.write_text(state)
    new.rename(folder / "state")


def keep(folder: Path, owner: Path | None, slot: Slot | None) -> None:
    """Start everything, and stay until it must end."""
    waker = _wake_on(signal.SIGCHLD)
    watched = select.poll()
    watched.register(waker, select.POLLIN)
    if owner is not None:
        watched.register(os.open(owner, os.O_RDONLY | os.O_NONBLOCK), select.POLLHUP)
    parts = Parts(folder, build())
    try:
        if slot is None:
            control_plane.start(parts, Address("127.0.0.1", free_port(), SERVICES))
        else:
            wire.settle_in(slot)
            control_plane.start(parts, Address(slot.node, 6443, slot.services))
            node.start(parts, slot)
        say(folder, READY)
        while (ended := parts.ended()) is None:
            if any(event & select.POLLHUP for _, event in watched.poll()):
                return
            os.read(waker, 4096)
            _reap(parts)
        say(folder, f"{ended} ended; see {ended}.log")
    except Exception as error:
        say(folder, f"{type(error).__name__}: {error}")
        raise
    finally:
        parts.stop()


def _reap(parts: Parts) -> None:
    """Take in what is no part of ours: the first process of a pid namespace inherits every orphan."""
    ours = {process.pid for _, process in parts.started}
    for child in Path("/proc/thread-self/children").read_text().split():
        if int(child) not in ours:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(int(child), os.WNOHANG)


def _wake_on(number: signal.Signals) -> int:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(number, lambda *_: None)
    return reader


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--owner", type=Path)
    parser.add_argument("--node", type=int)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    keep(arguments.folder, arguments.owner, None if arguments.node is None else Slot(arguments.node))


if __name__ == "__main__":
    main()
