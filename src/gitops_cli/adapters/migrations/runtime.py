"""With which interpreter, in which cage and on which files migrations run."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters import processes, sandbox
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence

    from gitops_cli.adapters.processes import Identity

MEMORY = 2 * 1024 * 1024 * 1024
"""Bytes of address space; histories of 1,000 revisions with SQLAlchemy need a tenth of it."""
PROGRAM = Path(__file__).with_name("cage") / "__main__.py"


class Source(msgspec.Struct, frozen=True):
    """One commit on disk: `folder` and `ini` are relative to `root`."""

    root: Path
    folder: str
    ini: str = ""


class Interpreter(msgspec.Struct, frozen=True):
    """Python for migrations: those that import their application need its libraries."""

    executable: str
    packages: tuple[str, ...] = ()
    """Looked at last: what the executable's own libraries lack."""
    read: tuple[Path, ...] = ()
    """Folders that the cage must show."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """Everything that a child needs."""

    interpreter: Interpreter
    level: sandbox.Level
    sources: Mapping[str, Source]
    where: Mapping[str, Any] = field(repr=False)
    """How to connect, as libpq spells it."""
    seconds: float
    """For everything that the child does, by the clock on the wall."""
    files: Mapping[str, str]
    """The file of each revision, for messages."""
    uid: int | None = None
    """Level `uid` only."""
    started: Callable[[Identity], None]
    """Told who the child is before it runs anything that was pushed."""


def own_interpreter() -> Interpreter:
    """Give the interpreter that gitops runs in."""
    return Interpreter(sys.executable, (), tuple(map(Path, _libraries())))


def interpreter_for(environments: Sequence[str]) -> Interpreter:
    """Choose Python for the migrations of an application with these virtual environments.

    The first that has Alembic runs them with its own versions of everything, and with our driver if it has
    none; where none has it, ours does, with their libraries last.
    """
    ours = own_interpreter()
    places = [Path(one) for one in environments if Path(one, "bin/python").exists()]
    packages = {place: sorted(map(str, place.glob("lib*/python3*/site-packages"))) for place in places}
    read = (*ours.read, *places)
    for place in places:
        if any(Path(folder, "alembic").is_dir() for folder in packages[place]):
            return Interpreter(str(place / "bin/python"), tuple(_libraries()), read)
    every = dict.fromkeys(folder for place in places for folder in packages[place])
    return Interpreter(ours.executable, tuple(every), read)


def _libraries() -> list[str]:
    """Name the folders of our own libraries that migrations may need, and of this package."""
    found = []
    for name in ("alembic", "psycopg", "psycopg_binary", "gitops_cli"):
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if str(Path(place).parent) not in found:
                found.append(str(Path(place).parent))
    if not found:
        raise Unavailable("alembic is not installed beside gitops", code="migration.no-alembic")
    return found


def start(worker: Worker, command: int, answer: int, output: int) -> subprocess.Popen[bytes]:
    """Start a child: no network, nothing to read but libraries and the pushed files, an empty environment."""
    read: list[Path] = [*worker.interpreter.read, *(source.root for source in worker.sources.values())]
    host = str(worker.where.get("host", ""))
    if host.startswith("/"):
        read.append(Path(host))
    cage = sandbox.Cage(
        level=worker.level,
        read=tuple(dict.fromkeys(read)),
        network=False,
        limits=sandbox.Limits(memory=MEMORY, cpu=int(worker.seconds) + 1),
        uid=worker.uid,
    )
    argv = [worker.interpreter.executable, "-I", "-B", "-X", "utf8", "-W", "ignore"]
    return sandbox.start(
        cage,
        [*argv, str(PROGRAM), str(command), str(answer)],
        env=processes.clean_env(),
        stdout=output,
        stderr=output,
        pass_fds=(command, answer),
    )
