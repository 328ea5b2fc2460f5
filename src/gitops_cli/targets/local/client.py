"""The target's side of the supervisor: start it when needed, ask it, know whether it lives."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters import clock, processes
from gitops_cli.adapters.files import private_dir, read_or_none, write_atomic
from gitops_cli.adapters.sandbox import uid_for
from gitops_cli.errors import Unavailable
from gitops_cli.targets.local.launch import Place
from gitops_cli.targets.local.secrets import supervisor_environment

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.sandbox import Level

START_SECONDS = 30.0
ANSWER_SECONDS = 30.0
PING_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
"""How long one that lives may not answer: it opens a swept socket again in two; ending it ends the app."""
END_SECONDS = 5.0
"""How long one that cannot be reached may take to end."""
LOOK_AGAIN = 0.02
MOST_LOG = 1024 * 1024


def socket_path(home: Home, environment: str) -> Path:
    """Name the control socket: short, as a path of a Unix socket ends at 107 bytes."""
    return home.runtime() / f"{sha256(environment.encode()).hexdigest()[:12]}.sock"


def place_of(home: Home, environment: str, level: Level) -> Place:
    """Say where an environment's processes run: at level `uid` each environment has one of its own."""
    uid = uid_for(home.digest, environment, "app") if level.value == "uid" else None
    return Place(level, hide=home.path, uid=uid)


def running(folder: Path) -> processes.Identity | None:
    """Say who the supervisor of an environment's folder is, if it lives."""
    data = read_or_none(folder / "supervisor.json")
    try:
        found = msgspec.json.decode(data or b"null", type=processes.Identity | None)
    except msgspec.MsgspecError:
        return None
    return found if found is not None and processes.alive(found) else None


class Supervisor:
    """The supervisor of one environment, seen from outside. Every method may be called while none runs."""

    def __init__(self, home: Home, environment: str, level: Level) -> None:
        """Ask nothing yet."""
        self._home = home
        self._environment = environment
        self._level = level
        self._folder = home.local(environment)

    def identity(self) -> processes.Identity | None:
        """Say who it is, if it lives."""
        return running(self._folder)

    def ensure(self) -> bool:
        """Start it unless it answers; True when it had to be started. Raises `Unavailable`.

        One that lives and cannot be reached keeps its lock, so no other could start beside it: it is ended.
        """
        who = self.identity()
        if who is not None and self._reached(who):
            return False
        if who is not None:
            processes.kill_group(who, grace=END_SECONDS)
        self._start()
        deadline = clock.monotonic() + START_SECONDS
        while not self._answers():
            if clock.monotonic() > deadline:
                raise Unavailable(
                    f"the supervisor of {self._environment} does not start, see "
                    f"{self._folder / 'supervisor.log'}",
                    code="local.supervisor",
                    next_command="gitops recover",
                )
            clock.pause(LOOK_AGAIN)
        return True

    def _reached(self, who: processes.Identity) -> bool:
        """Ask one that lives until it answers, at least twice; False when it does not or has ended."""
        deadline = clock.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            if clock.monotonic() > deadline:
                return self._answers()
            if not processes.alive(who):
                return False
            clock.pause(LOOK_AGAIN)
        return True

    def _answers(self) -> bool:
        try:
            return "pid" in self.ask("status", seconds=PING_SECONDS)
        except (OSError, Unavailable):  # nobody there, or it knows another token
            return False

    def _start(self) -> None:
        """Start it in a session of its own, with no descriptor and no variable of ours."""
        private_dir(self._folder)
        if read_or_none(self._folder / "token") is None:
            write_atomic(self._folder / "token", secrets.token_hex(16).encode())
        log = self._folder / "supervisor.log"
        if log.is_file() and log.stat().st_size > MOST_LOG:
            log.replace(log.with_suffix(".log.1"))
        argv = [sys.executable, "-I", "-m", "gitops_cli.targets.local.supervisor"]
        with os.fdopen(
            os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb"
        ) as out:
            child = processes.spawn(
                [*argv, str(self._home.path), self._environment, self._level.value],
                env=processes.clean_env(supervisor_environment(self._home, self._environment)),
                cwd="/",
                stdout=out,
                stderr=out,
            )
        child.returncode = 0  # it outlives us: nobody here waits for it

    def ask(self, do: str, *, seconds: float = ANSWER_SECONDS, **details: Any) -> dict[str, Any]:
        """Ask and give the answer. Raises `OSError` when nobody answers, `Unavailable` when it says no."""
        token = (read_or_none(self._folder / "token") or b"").decode()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds + 1)
            connection.connect(str(socket_path(self._home, self._environment)))
            connection.sendall(
                msgspec.json.encode({"do": do, "token": token, "seconds": seconds, **details}) + b"\n"
            )
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
        if not data:
            raise ConnectionResetError("the supervisor ended before it answered")
        answer: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
        if "error" in answer:
            raise Unavailable(
                f"the supervisor of {self._environment}: {answer['error']}", code="local.supervisor"
            )
        return answer

    def ask_if_alive(self, do: str, *, seconds: float = ANSWER_SECONDS, **details: Any) -> dict[str, Any]:
        """Ask; an empty answer when nobody is there."""
        try:
            return self.ask(do, seconds=seconds, **details)
        except OSError:
            return {}

    def stop(self, *, grace: float) -> None:
        """End it and all its processes; the group is killed when it takes longer than `grace` seconds."""
        who = self.identity()
        if who is None:
            return
        told = self._told_to_stop()
        deadline = clock.monotonic() + grace
        while told and processes.alive(who) and clock.monotonic() < deadline:
            clock.pause(LOOK_AGAIN)
        if processes.alive(who):
            processes.kill_group(who, grace=0 if told else grace)  # SIGTERM needs no socket

    def _told_to_stop(self) -> bool:
        try:
            return bool(self.ask("stop", seconds=PING_SECONDS))
        except (OSError, Unavailable):
            return False
