"""Start and stop a cluster in a folder: `up` in 5-12 s, `down` in less; its logs stay in the folder."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster import packages, wire
from tests.cluster.build import HERE, build
from tests.cluster.keeper import READY
from tests.cluster.node import CTR
from tests.cluster.parts import wait
from tests.cluster.wire import Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = HERE.parent.parent
NODE = "--node"


class NotStarted(RuntimeError):
    """A cluster did not become ready; the message ends with the last lines of every log."""


def up(folder: Path, owner: Path | None = None, *, node: bool = False) -> Path:
    """Start a cluster in a folder that is emptied first; give the administrator's kubeconfig.

    `owner` is a FIFO: the cluster ends when no process has it open for writing any more. With a node this
    needs root, Linux and the packages that `packages.NODE` lists.
    """
    build()
    packages.require(packages.CONTROL_PLANE)
    down(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    if node:
        _start_with_node(folder, owner)
    else:
        _start_keeper(folder, owner)
    state = folder / "state"
    wait("the cluster", lambda: state.exists() or _keeper_of(folder) is None, 300.0)
    if not state.exists() or state.read_text() != READY:
        told = state.read_text() if state.exists() else "it ended without a word"
        down(folder)
        raise NotStarted(f"{told}\n{logs(folder)}")
    return folder / "kubeconfig"


def _start_with_node(folder: Path, owner: Path | None) -> None:
    if os.geteuid():
        raise NotStarted("a node needs root: it makes namespaces and runs containers")
    packages.require(packages.NODE)
    slot, held = wire.claim()
    try:
        wire.tidy(slot)  # a cluster that was killed has left its cgroups
        _start_keeper(folder, owner, slot, held)
        wait("the namespaces", lambda: _first_inside(folder))
        wire.connect(slot, _first_inside(folder) or 0)
    finally:
        os.close(held)


def _start_keeper(
    folder: Path, owner: Path | None, slot: Slot | None = None, held: int | None = None
) -> None:
    """Start the keeper as nobody's child: it outlives who starts it, and its number is in `pid` at once."""
    noted = 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec "$@"'
    command: list[str | Path] = ["setsid", "--fork", "sh", "-c", noted, folder / "pid"]
    if slot is not None:
        command += ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    command += [sys.executable, "-m", "tests.cluster.keeper", folder]
    command += [] if owner is None else ["--owner", owner]
    command += [] if slot is None else [NODE, str(slot.number)]
    with (folder / "keeper.log").open("wb") as log:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            check=True,
            pass_fds=() if held is None else (held,),
        )
    wait("the keeper", (folder / "pid").exists)


def load(folder: Path, archives: Sequence[Path]) -> None:
    """Give the node images without a registry, as docker or OCI archives."""
    inside = ["nsenter", "--target", str(_first_inside(folder)), "--mount", "--net", "--pid"]
    for archive in archives:
        subprocess.run(
            [*inside, *CTR, "images", "import", archive.resolve()], check=True, capture_output=True
        )


def slot_of(folder: Path) -> Slot | None:
    """Give the addresses of a running cluster's node, if it has one."""
    _, words = _keeper(folder)
    return Slot(int(words[words.index(NODE) + 1])) if NODE in words else None


def _first_inside(folder: Path) -> int | None:
    """Give the first process of the cluster's namespaces: the child of the keeper's `unshare`."""
    pid = _keeper_of(folder)
    if pid is None:
        return None
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(children[0]) if children else None


def is_up(folder: Path) -> bool:
    """Say whether the cluster of a folder is ready."""
    state = folder / "state"
    return _keeper_of(folder) is not None and state.exists() and state.read_text() == READY


def down(folder: Path) -> None:
    """End the cluster of a folder; the folder with its logs stays. Fine when there is none."""
    pid = _keeper_of(folder)
    if pid is None:
        return
    slot = slot_of(folder)
    if slot is None:
        end(pid, signal.SIGTERM, 20.0)
    else:  # with the first process of its namespaces goes every process, mount, route and rule
        end(_first_inside(folder) or pid, signal.SIGKILL, 20.0)
        end(pid, signal.SIGKILL, 20.0)
        wire.tidy(slot)
    (folder / "pid").unlink(missing_ok=True)


def end(pid: int, number: signal.Signals, seconds: float) -> None:
    """Send a signal and wait for the end; past the limit, kill."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(process, number)
        ended = select.poll()
        ended.register(process, select.POLLIN)
        if not ended.poll(seconds * 1000):
            signal.pidfd_send_signal(process, signal.SIGKILL)
            ended.poll(seconds * 1000)
    except ProcessLookupError:
        pass
    finally:
        os.close(process)


def _keeper_of(folder: Path) -> int | None:
    """Give the keeper's process id if it lives: the number may be another's by now."""
    pid, words = _keeper(folder)
    return pid if words else None


def _keeper(folder: Path) -> tuple[int, list[str]]:
    """Give the keeper's process id and command line; no words when it has ended, as it may at any moment."""
    try:
        pid = int((folder / "pid").read_text())
        words = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return 0, []
    return pid, words if os.fspath(folder) in words else []


def logs(folder: Path) -> str:
    """Give the last lines of every log."""
    return "\n".join(
        f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}"
        for log in sorted(folder.glob("*.log"))
        if log.name != "audit.log" and log.stat().st_size
    )
