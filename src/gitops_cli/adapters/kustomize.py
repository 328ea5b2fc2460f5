"""kustomize in the cage: folders of a commit go in, manifests come out. It has no network and no git."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
from typing import TYPE_CHECKING

from gitops_cli.adapters import processes, sandbox
from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadInput, LimitExceeded, Refused, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.sandbox import Level

SECONDS = 30.0
MOST_OUTPUT = 16 << 20
_LIMITS = sandbox.Limits(cpu=30, memory=2 << 30, file_size=MOST_OUTPUT, processes=256)
"""Go reserves address space that it never uses: kubectl needs 0.7 GiB of it to start."""
_ERRORS = 1 << 16


def build(top: Path, overlay: str, *, level: Level, uid: int | None = None) -> bytes:
    """Build the overlay in a folder below `top`, which is all of the machine's files that it sees.

    Raises `BadInput` with what kustomize says, `LimitExceeded`, `Unavailable` when no tool is installed.
    """
    argv = _tool(overlay)
    cage = sandbox.Cage(level=level, read=(top, argv[0]), network=False, limits=_LIMITS, uid=uid)
    # a remote base would be fetched by git, or over HTTP: neither is to be had, whatever the level
    env = {"PATH": "/nonexistent", "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    with contextlib.ExitStack() as open_files:
        out, err = (
            open_files.enter_context(os.fdopen(os.memfd_create(name), "r+b")) for name in ("out", "err")
        )
        process = sandbox.start(
            cage,
            [*argv, str(top / overlay)],
            env={**processes.clean_env(), **env},
            cwd=top,
            stdout=out,
            stderr=err,
        )
        watcher = os.pidfd_open(process.pid)
        try:
            ended = bool(select.select([watcher], [], [], SECONDS)[0])
        finally:
            os.close(watcher)
            process.kill()  # whatever it left behind dies with it
            code = process.wait()
            processes.forget(process)
        if not ended:
            raise LimitExceeded(
                f"kustomize took more than {SECONDS:g} s", code="kustomize.time", file=overlay
            )
        size = os.fstat(out.fileno()).st_size
        if size >= MOST_OUTPUT:
            cause = f"kustomize makes more than {MOST_OUTPUT} bytes of it"
            raise LimitExceeded(cause, code="kustomize.size", file=overlay)
        if code != 0:
            raise _failed(os.pread(err.fileno(), _ERRORS, 0), top, overlay, code)
        return os.pread(out.fileno(), size, 0)


def _tool(overlay: str) -> list[str]:
    for name, command in (("kustomize", "build"), ("kubectl", "kustomize")):
        found = shutil.which(name)
        if found:
            return [found, command]
    raise Unavailable(
        f"{overlay} is a kustomize overlay, and the remote has neither kustomize nor kubectl",
        code="kustomize.tool",
        next_command="install kustomize where the remote's hooks find it",
    )


def _failed(said: bytes, top: Path, overlay: str, code: int) -> Refused:
    text = said.decode("utf-8", "replace").replace(f"{top}/", "").strip()
    text = text.removeprefix("Error: ").removeprefix("error: ")
    return BadInput(
        f"kustomize cannot build it: {safe(text, 400) or f'exit code {code}'}",
        code="kustomize.build",
        file=overlay,
    )
