"""The same tests as an ordinary user, where these run as root: `userns` is then the level in force."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import gitops_cli
from gitops_cli.adapters import sandbox

NEEDED = ("msgspec", "pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
INI = "[pytest]\nmarkers =\n    row(*numbers): rows\n"


def _python() -> str:
    """Give an interpreter of this version that everybody may run."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for folder in ("/usr/bin", "/usr/local/bin"):
        if Path(folder, name).exists():
            return f"{folder}/{name}"
    pytest.skip(f"no {name} that another user may run")


def _copy(target: Path) -> None:
    """Copy what the tests need to where another user may read it."""
    tests = Path(__file__).parents[1]
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(gitops_cli.__file__).parent, target / "gitops_cli", ignore=skip)
    shutil.copytree(tests / "sandbox", target / "tests" / "sandbox", ignore=skip)
    (target / "tests" / "__init__.py").touch()
    (target / "pytest.ini").write_text(INI)
    for name in NEEDED:
        spec = find_spec(name)
        if spec and spec.submodule_search_locations:
            shutil.copytree(spec.submodule_search_locations[0], target / name)
        elif spec and spec.origin:
            shutil.copy(spec.origin, target)


@pytest.mark.skipif(os.geteuid() != 0, reason="these tests run as an ordinary user already")
@pytest.mark.parametrize("part", ["test_table.py", "test_life.py", "test_view.py", "test_escapes.py"])
def test_an_ordinary_user_has_the_same(part: str) -> None:
    setpriv = shutil.which("setpriv")
    if not setpriv:
        pytest.skip("no setpriv")
    python = _python()
    base = Path(subprocess.check_output(["mktemp", "-d", "/tmp/gitops-user-XXXXXX"], text=True).strip())
    try:
        base.chmod(0o755)
        _copy(base / "all")
        own = base / "own"
        own.mkdir()
        os.chown(own, 12345, 12345)
        done = subprocess.run(
            [
                *(setpriv, "--reuid", "12345", "--regid", "12345", "--clear-groups", "--inh-caps=-all"),
                *(python, "-B", "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"),
                *("--basetemp", str(own / "t"), f"tests/sandbox/{part}"),
            ],
            cwd=base / "all",
            env={"PATH": os.defpath, "HOME": str(own), "PYTHONPATH": str(base / "all"), "LC_ALL": "C.UTF-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        shutil.rmtree(base)
    assert done.returncode == 0, done.stdout
    passed = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    assert any("userns" in line for line in passed) or sandbox.probe(sandbox.Level.USERNS).reason
