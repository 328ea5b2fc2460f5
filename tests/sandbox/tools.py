"""What the tests of the sandbox share."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitops_cli.adapters import processes, sandbox

PYTHON = (sys.executable, "-I")
MIB = 1 << 20


def working(wanted: sandbox.Level) -> sandbox.Level:
    """Give a level if it works here; skip the test, with the reason, if it does not."""
    found = sandbox.probe(wanted)
    if found.level is not wanted:
        pytest.skip(found.reason)
    return wanted


@dataclass(frozen=True)
class Ground:
    """What `hostile.py` attacks."""

    home: Path
    script: Path
    database: Path
    unlisted: Path
    port: int
    marker: str
    victim: subprocess.Popen[bytes]

    def aim(self, *only: str) -> str:
        """Give the argument of `hostile.py`."""
        return json.dumps(
            {
                "only": only,
                "victim": self.victim.pid,
                "secret": str(self.home / "secret"),
                "secret_text": "the operator's",
                "repository": str(self.home / "repo.git"),
                "port": self.port,
                "abstract": self.marker,
                "unlisted": str(self.unlisted),
                "database": str(self.database),
                "files": 10,
                "forks": 150,
                "marker": self.marker[:-1] + "?",  # never its own command line
            }
        ).replace(self.marker[:-1] + "?", self.marker)


def run(
    cage: sandbox.Cage, *argv: str, env: dict[str, str] | None = None, cwd: str = "/"
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a cage to its end."""
    child = sandbox.start(
        cage,
        argv,
        env=processes.clean_env(env),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = child.communicate(timeout=60)
    return subprocess.CompletedProcess(argv, child.returncode, out, err)


def python(cage: sandbox.Cage, code: str, *args: str, **kwargs: str) -> str:
    """Run Python code in a cage; give what it printed. It must end with 0."""
    done = run(cage, *PYTHON, "-c", code, *args, env=kwargs or None)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def having(marker: str) -> list[str]:
    """Give the command lines that hold a word."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in line:
            found.append(f"{folder.name} {line!r}")
    return found


def wait_until_gone(marker: str, seconds: float = 60) -> list[str]:
    """Wait until no command line holds the word; give those that still do."""
    return _wait(marker, seconds, present=False)


def wait_until_there(marker: str, count: int, seconds: float = 60) -> bool:
    """Wait until that many command lines hold the word."""
    until = time.monotonic() + seconds
    while len(having(marker)) < count:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)  # another process's table entry: nothing to wait on
    return True


def _wait(marker: str, seconds: float, *, present: bool) -> list[str]:
    until = time.monotonic() + seconds
    while bool(found := having(marker)) is not present and time.monotonic() < until:
        time.sleep(0.01)  # another process's table entry: nothing to wait on
    return found
