"""The escapes of `escapes.py` that need no database, each in a cage as a migration runs in."""

from __future__ import annotations

import pytest

from gitops_cli.adapters import processes, sandbox
from tests.sandbox.escapes import ESCAPES, KILL_PARENT, body
from tests.sandbox.tools import PYTHON, Ground, run

ALONE = [name for name, code in ESCAPES.items() if "op." not in code and name != "sleep"]


def _aim(ground: Ground) -> dict[str, object]:
    return {
        "secret": str(ground.home / "secret"),
        "victim": ground.victim.pid,
        "port": ground.port,
        "repository": str(ground.home / "repo.git"),
        "forks": 150,
    }


@pytest.mark.row(36)
@pytest.mark.parametrize("name", ALONE)
def test_an_escape_is_refused(namespaced: sandbox.Level, ground: Ground, name: str) -> None:
    if name == "fork-bomb" and sandbox.probe().level is sandbox.Level.UID is not namespaced:
        pytest.skip("Linux does not hold uid 0 to a limit of processes")
    cage = sandbox.Cage(level=namespaced, limits=sandbox.Limits(processes=50))

    done = run(cage, *PYTHON, "-c", body(name, _aim(ground)))

    assert done.returncode == 1
    assert b"escaped" not in done.stderr
    assert b"Error" in done.stderr.splitlines()[-1]


@pytest.mark.row(36)
@pytest.mark.parametrize("name", ALONE)
def test_without_a_sandbox_it_succeeds(ground: Ground, name: str) -> None:
    cage = sandbox.Cage(level=sandbox.Level.NONE, limits=sandbox.Limits(processes=5000))

    done = run(cage, *PYTHON, "-c", body(name, _aim(ground)))

    assert done.stderr.decode() == f"escaped: {name}\n"


@pytest.mark.row(36)
def test_sleeping_for_ever_ends_with_the_launcher(level: sandbox.Level, ground: Ground) -> None:
    child = sandbox.start(
        sandbox.Cage(level=level),
        [*PYTHON, "-c", body("sleep", _aim(ground)), ground.marker],
        env={},
        stdout=processes.DEVNULL,
        stderr=processes.DEVNULL,
    )

    child.kill()  # the fixture's end waits until nothing with the marker is left

    assert child.wait() == -9


@pytest.mark.row(36)
def test_killing_the_parent_kills_nobody_outside(namespaced: sandbox.Level) -> None:
    done = run(sandbox.Cage(level=namespaced), *PYTHON, "-c", KILL_PARENT + "; print('on')")

    assert (done.returncode, done.stdout) == (0, b"on\n")
