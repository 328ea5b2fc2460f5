"""One embedded PostgreSQL for a remote: made and started on demand, outliving whoever started it."""

from __future__ import annotations

import errno
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import clock
from gitops_cli.adapters.files import private_dir, read_or_none, remove_tree
from gitops_cli.adapters.postgres import postmaster, urls
from gitops_cli.adapters.postgres.binaries import Binaries, best, for_major
from gitops_cli.adapters.postgres.bootstrap import initialise, reachable
from gitops_cli.adapters.postgres.lost import refuse_lost, was_made
from gitops_cli.adapters.postgres.place import MAIN, Kept, Place, environment, locked, switch
from gitops_cli.adapters.postgres.ready import Answer, ask
from gitops_cli.adapters.text import safe
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.home import Home

_LOCK_SECONDS = 150.0
_START_SECONDS = 90.0
"""A recovery after a crash may take this long."""
_POLL = 0.003
"""`pg_ctl -w` sleeps for 0.1 s at a time; a start takes 0.04 s."""
_ASK_AGAIN = 0.05
"""While it recovers, each question is a line in its log."""
_PORTS = range(20_000, 32_768)
"""Below the ports that the kernel hands out to clients, so that nobody takes ours while we are down."""
_PORT_TRIES = 20
_LOG_LIMIT = 8 * 1024 * 1024
_STARTED: list[subprocess.Popen[bytes]] = []
"""Servers that this process started: they outlive it, and nobody waits for them."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    pid: int
    port: int
    socket_dir: Path
    major: int
    data: Path
    log: Path
    admin_url: str = field(repr=False)
    """Superuser, database `postgres`, by Unix socket."""


def ensure(home: Home, *, prefer_major: int | None = None, name: str = MAIN) -> Server:
    """Give a running server, making and starting it if need be; callers wait for each other.

    `prefer_major` counts when the data folder is made; an existing one decides. Raises `Unavailable`.
    """
    place = Place(home, name)
    running = _running(place)
    if running is not None:
        return running
    with locked(place.lock, _LOCK_SECONDS) as lock:
        _settle(place)
        running = _running(place)
        if running is not None:
            return running
        if read_or_none(place.data / "PG_VERSION") is None:
            refuse_lost(place)
            chosen = reachable(for_major(prefer_major) if prefer_major else best())
            return _start(place, chosen, initialise(place, chosen, lock))
        return _start(place, reachable(for_major(_major(place))), _known(place))


def exists(home: Home) -> bool:
    """Say whether the remote's server has been made; it may be down."""
    return read_or_none(Place(home).data / "PG_VERSION") is not None


def expected(home: Home) -> bool:
    """Say whether the remote's server is to be there: it exists, or was made and its data is lost."""
    return exists(home) or was_made(Place(home))


def stop(home: Home, *, name: str = MAIN) -> bool:
    """Stop the server and say whether one ran. Raises `Unavailable`."""
    place = Place(home, name)
    if not place.home.state.is_dir():
        return False
    with locked(place.lock, _LOCK_SECONDS):
        found = postmaster.find(place.data)
        if found is None:
            return bool(postmaster.end_orphans(place.cluster))
        postmaster.end(found.pid, place.data)
        _reap()
        postmaster.end_orphans(place.cluster)
        return True


def status(home: Home, *, name: str = MAIN) -> Server | None:
    """Give the server if it runs and answers; one that recovers is waited for. Starts nothing."""
    place = Place(home, name)
    deadline = clock.monotonic() + _START_SECONDS
    while (found := _running(place)) is None and _recovers(place) and clock.monotonic() < deadline:
        clock.pause(_ASK_AGAIN)
    return found


def destroy(home: Home) -> None:
    """Stop the servers of a remote and remove their data, which lies outside of its folder for root."""
    parent, stem = home.database.parent, home.database.name
    names = [path.name.removeprefix(f"{stem}-") for path in parent.glob(f"{stem}-scratch-*")]
    for name in (MAIN, *names):
        place = Place(home, name)
        found = postmaster.find(place.data)
        if found is not None:
            postmaster.end(found.pid, place.data, at_once=True)
        stop(home, name=name)
        remove_tree(place.work)
        remove_tree(place.data)
        remove_tree(place.sockets())
        (home.state / f"{name}.json").unlink(missing_ok=True)
    with suppress(OSError):  # others keep their sockets there too
        home.runtime().rmdir()


def _running(place: Place) -> Server | None:
    found = postmaster.find(place.data)
    if found is None or not found.ready:
        return None
    folder = place.sockets()
    kept = place.kept()
    if kept is None or ask(folder / f".s.PGSQL.{found.port}") is not Answer.YES:
        return None
    url = urls.over_socket(folder, found.port, user=kept.superuser, password=kept.password, name="postgres")
    return Server(found.pid, found.port, folder, _major(place), place.data, place.log, url)


def _recovers(place: Place) -> bool:
    found = postmaster.find(place.data)
    return found is not None and ask(place.sockets() / f".s.PGSQL.{found.port}") is Answer.NOT_YET


def _settle(place: Place) -> None:
    """Wait for a server that is starting or stopping; end one that nobody can reach, and orphans."""
    deadline = clock.monotonic() + _START_SECONDS
    while (found := postmaster.find(place.data)) is not None:
        answer = ask(place.sockets() / f".s.PGSQL.{found.port}")
        if found.ready and answer is Answer.YES:
            return
        unreachable = found.ready and answer is Answer.NOBODY  # its socket was swept from /tmp
        if unreachable or clock.monotonic() > deadline:
            postmaster.end(found.pid, place.data)
        clock.pause(_ASK_AGAIN if found.ready else _POLL)
    _reap()
    postmaster.end_orphans(place.cluster)
    for stale in (place.data / "postmaster.pid", *place.sockets().glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)  # the number in it may belong to somebody else by now


def _start(place: Place, binaries: Binaries, kept: Kept) -> Server:
    for _ in range(_PORT_TRIES):
        port = kept.port if kept.port and _free(kept.port) else _choose(place)
        if (port, str(place.data)) != (kept.port, kept.data):
            kept = msgspec.structs.replace(kept, port=port)
            place.keep(kept)
        before = _log_size(place)
        process = _spawn(place, binaries, port)
        if _wait(place, process):
            _STARTED.append(process)
            running = _running(place)
            if running is not None:
                return running
        reason = _reason(place, before)
        if "bind" not in reason and "listen socket" not in reason and "TCP/IP" not in reason:
            break
        kept = msgspec.structs.replace(kept, port=0)  # taken between our look and its bind
    raise Unavailable(
        f"PostgreSQL does not start: {reason}", code="postgres.start", next_command=f"read {place.log}"
    )


def _spawn(place: Place, binaries: Binaries, port: int) -> subprocess.Popen[bytes]:
    arguments = [f"{name}={value}" for name, value in _settings(place, port).items()]
    command: list[str | Path] = [binaries.program("postgres"), "-D", place.data]
    for argument in arguments:
        command += ["-c", argument]
    private_dir(place.log.parent)
    if _log_size(place) > _LOG_LIMIT:
        place.log.replace(place.log.with_suffix(".log.1"))
    with place.log.open("ab") as log:
        return subprocess.Popen(
            command,
            env=environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
            **switch(),
        )


def _settings(place: Place, port: int) -> dict[str, str | int]:
    """Give the settings that hold whatever the data folder says: the command line wins."""
    settings: dict[str, str | int] = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": f'"{place.sockets()}"',
        "unix_socket_permissions": "0777",  # scram is asked of everybody
        "password_encryption": "scram-sha-256",
        "cluster_name": place.cluster,
        "update_process_title": "on",
        "max_connections": 100,
        "shared_buffers": "32MB",
        "client_connection_check_interval": "1s",  # a killed client frees its locks in 1 s, not at the end
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_line_prefix": "%m [%p] %a ",
        "lc_messages": "C",
    }
    if place.throwaway:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return settings


def _wait(place: Place, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; False when it ended. Raises `Unavailable` when it takes too long."""
    deadline = clock.monotonic() + _START_SECONDS
    while process.poll() is None:
        found = postmaster.find(place.data)
        if found is not None and found.pid == process.pid and found.ready:
            return True
        if clock.monotonic() > deadline:
            postmaster.end(process.pid, place.data)
            process.wait()
            raise Unavailable(
                f"PostgreSQL was not ready after {_START_SECONDS:g} seconds",
                code="postgres.slow",
                next_command=f"read {place.log}",
            )
        clock.pause(_POLL)
    return False


def _reap() -> None:
    _STARTED[:] = [process for process in _STARTED if process.poll() is None]


def _major(place: Place) -> int:
    data = read_or_none(place.data / "PG_VERSION") or b""
    try:
        return int(data)
    except ValueError:
        raise Unavailable(f"{place.data} is no data folder of PostgreSQL", code="postgres.data") from None


def _known(place: Place) -> Kept:
    kept = place.kept()
    if kept is None:
        raise Unavailable(
            f"{place.home.state}/{place.name}.json, with the password of {place.data}, is missing",
            code="postgres.state",
            next_command="put the file back from your backup",
        )
    return kept


def _choose(place: Place) -> int:
    """Choose a port: the same for the same remote as far as it is free."""
    first = int(place.home.digest, 16) + (0 if place.name == MAIN else 7)
    for step in range(len(_PORTS)):
        port = _PORTS[(first + step * 13) % len(_PORTS)]
        if _free(port):
            return port
    raise Unavailable("no port of this machine is free", code="postgres.port")


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False
    return True


def _log_size(place: Place) -> int:
    return place.log.stat().st_size if place.log.exists() else 0


def _reason(place: Place, before: int) -> str:
    """Give the last line that says why, of what the server said since."""
    with place.log.open("rb") as log:
        log.seek(before)
        lines = log.read(65_536).decode("utf-8", "replace").splitlines()
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines or ["it said nothing"]
    if any("could not bind" in line for line in lines):
        return f"could not bind: {safe(telling[-1])}"
    return safe(telling[-1])
