"""Start a program: `run` waits for it and bounds its time and output, `spawn` lets it go on."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from typing import IO, TYPE_CHECKING, NamedTuple

from gitops_cli.adapters.processes.environment import clean_env
from gitops_cli.adapters.processes.family import forget, remember
from gitops_cli.errors import Failed, LimitExceeded, StepTimeout, Unavailable

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PIPE, STDOUT, DEVNULL = -1, -2, -3
"""The values of `subprocess`, without its import."""

LIMIT = 16 * 1024 * 1024
_CHUNK = 65536


class Done(NamedTuple):
    """How a program ended: exit code (-N for signal N) and what it printed."""

    code: int
    out: bytes
    err: bytes


def spawn(  # noqa: PLR0913 - all but the first by name
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | Path = "/",
    stdin: int | IO[bytes] = DEVNULL,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    pass_fds: Sequence[int] = (),
    new_session: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a program and return at once; only `pass_fds` and the three streams are inherited.

    In a session of its own it leads a process group of its pid. Raises `Unavailable` when it cannot start.
    """
    import subprocess  # noqa: PLC0415 - 16 to 33 ms, only where a process is started

    try:
        return subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=tuple(pass_fds),
            start_new_session=new_session,
            bufsize=0,
        )
    except OSError as error:
        raise Unavailable(
            f"{argv[0]} cannot be started ({error.strerror})",
            code="process.start",
            next_command=f"install {argv[0]}" if isinstance(error, FileNotFoundError) else "",
        ) from error


def run(  # noqa: PLR0913 - all but the first by name
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path = "/",
    data: bytes = b"",
    timeout: float | None = 60.0,
    limit: int = LIMIT,
    pass_fds: Sequence[int] = (),
    check: bool = False,
) -> Done:
    """Run a program to its end, in a process group of its own that does not outlive the call.

    `env` None means `clean_env()`; `data` goes to standard input; `timeout` is in seconds (None: none);
    `limit` bounds output and errors together, in bytes. With `check`, an exit code other than 0 raises
    `Failed`. Raises `StepTimeout`, `LimitExceeded`, `Unavailable`.
    """
    child = spawn(
        argv,
        env=clean_env() if env is None else env,
        cwd=cwd,
        stdin=PIPE if data else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        pass_fds=pass_fds,
    )
    remember(child)
    try:
        out, err = _talk(child, argv[0], data, None if timeout is None else time.monotonic() + timeout, limit)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # not waited for yet: the number is still its own
        child.wait()
        forget(child)
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream:
                stream.close()
    if check and child.returncode:
        raise Failed(_last_words(argv[0], child.returncode, err or out), code="process.failed")
    return Done(child.returncode, out, err)


def _last_words(name: str, code: int, text: bytes) -> str:
    said = text.decode("utf-8", "replace").strip().rpartition("\n")[2]
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{name} ended with {how}" + (f": {said}" if said else "")


def _talk(
    child: subprocess.Popen[bytes], name: str, data: bytes, until: float | None, limit: int
) -> tuple[bytes, bytes]:
    """Feed and drain the child until it has ended (grandchildren that keep its pipes are not waited for)."""
    out, err, ended = bytearray(), bytearray(), False
    watcher = os.pidfd_open(child.pid)
    with selectors.DefaultSelector() as selector, os.fdopen(watcher, "rb", buffering=0):
        selector.register(watcher, selectors.EVENT_READ)
        for stream, buffer in ((child.stdout, out), (child.stderr, err)):
            if stream:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, buffer)
        if child.stdin:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE, memoryview(data))
        while not ended:
            left = None if until is None else until - time.monotonic()
            events = selector.select(left) if left is None or left > 0 else []
            if not events:
                raise StepTimeout(f"{name} did not end in time", code="process.timeout")
            ended = any(key.fileobj == watcher for key, _ in events)
            for key, _ in events if not ended else [(key, 0) for key in selector.get_map().values()]:
                _serve(selector, key, drain=ended, limit=limit)
            if len(out) + len(err) > limit:
                raise LimitExceeded(f"{name} printed more than {limit} bytes", code="process.output")
    return bytes(out), bytes(err)


def _serve(selector: selectors.BaseSelector, key: selectors.SelectorKey, *, drain: bool, limit: int) -> None:
    """Move bytes for one pipe; with `drain` everything that is in it, up to the limit."""
    if isinstance(key.data, memoryview):
        if not drain:
            _feed(selector, key, key.data)
        return
    while isinstance(key.data, bytearray):
        try:
            chunk = os.read(key.fd, _CHUNK)
        except BlockingIOError:
            return
        key.data.extend(chunk)
        if not chunk and not drain:
            selector.unregister(key.fileobj)
        if not chunk or not drain or len(key.data) > limit:
            return


def _feed(selector: selectors.BaseSelector, key: selectors.SelectorKey, data: memoryview) -> None:
    try:
        rest = data[os.write(key.fd, data[:_CHUNK]) :]
    except BlockingIOError:
        return
    except BrokenPipeError:  # a program may end without reading all
        rest = data[:0]
    if rest:
        selector.modify(key.fileobj, selectors.EVENT_WRITE, rest)
        return
    selector.unregister(key.fileobj)
    key.fileobj.close()  # type: ignore[union-attr]  # always the child's pipe, never a number
