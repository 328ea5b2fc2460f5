"""The parent's side of the pipe: starts the child in the cage, speaks, limits, and ends it.

Everything that comes back is untrusted: frames, lines and numbers are limited, messages are checked for
their shape. Nothing is decided by what the child says of itself where the database can be asked.
"""

from __future__ import annotations

import os
import selectors
import struct
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from gitops_cli.adapters import clock, processes
from gitops_cli.adapters.migrations import runtime
from gitops_cli.adapters.migrations.problems import ChildGone, MigrationFailed, Problem, too_long
from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadMigration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gitops_cli.adapters.migrations.runtime import Worker

HEAD = struct.Struct("!cI")
MAX_FRAME = 64 * 1024 * 1024
MAX_LINES = 200
_CHUNK = 65536
_TICK = 0.1
"""Seconds between two looks at who is in the way while the child works."""

Rows = list[list[Any]]
_T = TypeVar("_T")


class Trace(msgspec.Struct, frozen=True):
    """What one revision did to tables that were there before, by their oids."""

    locks: list[tuple[int, list[str]]] = []
    rewritten: list[int] = []
    scanned: list[int] = []


class RevisionRan(msgspec.Struct, frozen=True):
    """One revision that ran."""

    direction: str
    revision: str
    seconds: float
    trace: Trace


class Ran(msgspec.Struct, frozen=True):
    """What a run of revisions gave: SQL by revision, and where Alembic keeps its version."""

    captured: list[tuple[str, str]]
    version_table: tuple[str, str]
    revisions: tuple[RevisionRan, ...] = ()


class Session:
    """One child with one connection. Use with `with`: the child never outlives it."""

    def __init__(
        self, worker: Worker, *, says: Callable[[str], None], idle: Callable[[], None] | None = None
    ) -> None:
        """Remember how to start; `says` gets what migrations print, `idle` is called while waiting."""
        self._worker = worker
        self._says, self._idle = says, idle
        self._lines = 0
        self._moves: list[tuple[str, str]] = []
        self._done: list[RevisionRan] = []
        self._incoming = bytearray()
        self._log = bytearray()
        self.pid = 0
        """The backend's process id in the server."""

    def __enter__(self) -> Self:
        """Start the child and connect it."""
        self._deadline = clock.monotonic() + self._worker.seconds
        command, self._to = os.pipe()
        self._from, answer = os.pipe()
        self._print, output = os.pipe()
        try:
            self._child = runtime.start(self._worker, command, answer, output)
        finally:
            for descriptor in (command, answer, output):
                os.close(descriptor)
        for descriptor in (self._to, self._from, self._print):
            os.set_blocking(descriptor, False)
        self._identity = processes.identity(self._child.pid)
        try:
            self._introduce()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the child; its server session ends with it."""
        if self._identity is not None:
            processes.kill_group(self._identity)
        self._child.kill()
        self._child.wait()
        for descriptor in (self._to, self._from, self._print):
            os.close(descriptor)

    def _introduce(self) -> None:
        if self._identity is not None:
            self._worker.started(self._identity)
        worker = self._worker
        trees = {
            name: [str(source.root), source.folder, source.ini] for name, source in worker.sources.items()
        }
        self._call("setup", trees=trees, packages=list(worker.interpreter.packages))
        pid = self._call("open", where=dict(worker.where)).get("pid")
        self.pid = pid if isinstance(pid, int) else 0

    # -- what one can ask of it ----------------------------------------------------------------------

    def begin(self, settings: Sequence[str]) -> str:
        """Begin a transaction that only `commit` can commit; give its id."""
        xid = self._call("begin", settings=list(settings)).get("xid")
        if not isinstance(xid, str) or not xid.isdigit():
            raise _nonsense()
        return xid

    def sql(self, *calls: tuple[str, Sequence[Any]]) -> list[Rows]:
        """Run statements with their values; give the rows of each."""
        answer = self._call("sql", calls=[(text, list(values)) for text, values in calls])
        return _shaped(answer.get("rows"), list[Rows])

    def rows(self, text: str, *values: Any) -> Rows:
        """Run one statement and give its rows."""
        return self.sql((text, values))[0]

    def run(self, tree: str, moves: Sequence[tuple[str, str]], tables: Sequence[int] = ()) -> Ran:
        """Run revisions of one tree as (direction, revision); `tables` are traced.

        Raises `MigrationFailed`, `ChildGone`, `StepTimeout`.
        """
        self._moves, self._done = list(moves), []
        answer = self._call("run", tree=tree, moves=self._moves, pre=list(tables))
        self._moves = []
        ran = _shaped(answer, Ran)
        return msgspec.structs.replace(ran, revisions=tuple(self._done))

    def copy_out(self, query: str, file: IO[bytes]) -> None:
        """Write what `COPY ... TO STDOUT` gives to a file."""
        self._call("copy_out", sink=file, sql=query)

    def copy_in(self, query: str, file: IO[bytes]) -> None:
        """Feed `COPY ... FROM STDIN` from a file."""
        self._call("copy_in", feed=iter(lambda: file.read(_CHUNK), b""), sql=query)

    def commit(self) -> None:
        """Commit. An error after this call leaves open whether it was: ask the database."""
        self._call("commit")

    def rollback(self) -> None:
        """Roll back, whatever state the transaction is in."""
        self._call("rollback")

    # -- frames ----------------------------------------------------------------------------------------

    def _call(
        self, op: str, *, sink: IO[bytes] | None = None, feed: Iterator[bytes] | None = None, **args: Any
    ) -> dict[str, Any]:
        """Send one command, pass on what comes in between, give the answer."""
        frames = _frames(msgspec.json.encode({"op": op, **args}), feed)
        for kind, body in self._exchange(frames):
            if kind == b"D":
                if sink is None:
                    raise _nonsense()
                sink.write(body)
                continue
            message = _shaped(_decoded(body), dict[str, Any])
            if message.get("event") == "revision":
                self._note(message)
            elif "error" in message:
                problem = {**_shaped(message.pop("error"), dict[str, Any]), **message}
                raise MigrationFailed(_shaped(problem, Problem))
            else:
                return message
        raise AssertionError  # _exchange ends by raising

    def _note(self, message: dict[str, Any]) -> None:
        if len(self._done) >= len(self._moves):
            raise _nonsense()
        self._done.append(_shaped(message, RevisionRan))

    def _exchange(self, frames: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Write frames and give the frames that come in, until the caller has enough."""
        out, todo = memoryview(b""), iter(frames)
        with selectors.DefaultSelector() as selector:
            selector.register(self._from, selectors.EVENT_READ)
            selector.register(self._print, selectors.EVENT_READ)
            selector.register(self._to, selectors.EVENT_WRITE)
            ended = False
            while True:
                yield from self._parsed()
                if ended:
                    raise ChildGone(self._ended(), self._current())
                ready = {key.fd for key, _ in selector.select(self._left())}
                if not ready and self._idle is not None:
                    self._idle()
                if self._to in ready:
                    out = self._write(out or memoryview(next(todo, b"")))
                    out = out or memoryview(next(todo, b""))
                    if not out:
                        selector.unregister(self._to)
                if self._print in ready and not self._printed():
                    selector.unregister(self._print)
                if self._from in ready:
                    ended = not self._receive()

    def _left(self) -> float:
        left = self._deadline - clock.monotonic()
        if left <= 0:
            raise too_long(self._worker.seconds, self._current(), self._worker.files)
        return min(left, _TICK)

    def _current(self) -> str:
        return self._moves[len(self._done)][1] if len(self._done) < len(self._moves) else ""

    def _write(self, data: memoryview) -> memoryview:
        try:
            return data[os.write(self._to, data[:_CHUNK]) :] if data else data
        except BlockingIOError:
            return data
        except BrokenPipeError:
            raise ChildGone(self._ended(), self._current()) from None

    def _receive(self) -> bool:
        chunk = os.read(self._from, _CHUNK)
        self._incoming += chunk
        return bool(chunk)

    def _parsed(self) -> Iterator[tuple[bytes, bytes]]:
        while len(self._incoming) >= HEAD.size:
            kind, size = HEAD.unpack_from(self._incoming)
            if size > MAX_FRAME:
                raise _nonsense()
            if len(self._incoming) < HEAD.size + size:
                return
            body = bytes(self._incoming[HEAD.size : HEAD.size + size])
            del self._incoming[: HEAD.size + size]
            yield kind, body

    def _printed(self) -> bool:
        """Pass on what migrations print, line by line and bounded."""
        chunk = os.read(self._print, _CHUNK)
        self._log += chunk
        *lines, rest = bytes(self._log).split(b"\n")
        self._log = bytearray(rest[-_CHUNK:])
        for line in lines:
            self._lines += 1
            if self._lines <= MAX_LINES:
                self._says(safe(line))
        return bool(chunk)

    def _ended(self) -> int:
        try:
            return self._child.wait(5)
        except TimeoutError:
            return -9
        except Exception:  # noqa: BLE001 - subprocess.TimeoutExpired, without importing subprocess here
            return -9


def _frames(command: bytes, feed: Iterator[bytes] | None) -> Iterator[bytes]:
    yield HEAD.pack(b"J", len(command)) + command
    if feed is not None:
        for piece in feed:
            yield HEAD.pack(b"D", len(piece)) + piece
        yield HEAD.pack(b"D", 0)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.MsgspecError:
        raise _nonsense() from None


def _shaped(value: Any, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.MsgspecError:
        raise _nonsense() from None


def _nonsense() -> BadMigration:
    return BadMigration("a migration wrote into gitops's own pipe", code="migration.pipe")
