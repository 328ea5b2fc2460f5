"""What is shipped: the wheel holds all it needs, and passes the demo with the source out of reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as a user's pip does, from a copy without anything that git does not know."""
    source = tmp_path_factory.mktemp("source")
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        if (TOP / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((TOP / name).read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(source)],
        check=True,
    )
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_the_templates_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name for name in names if name.startswith("gitops_cli/templates/")}
    there = {
        f"gitops_cli/templates/{path.relative_to(TOP / 'templates')}"
        for path in (TOP / "templates").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == there
    assert "gitops_cli/py.typed" in names
    assert not [name for name in names if not name.startswith(("gitops_cli/", "gitops_cli-"))]


def test_the_metadata_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    text = archive.read(metadata).decode()
    assert "Name: gitops-cli" in text
    assert "Requires-Python: >=3.11" in text
    assert "Development Status :: 3 - Alpha" in text
    (entry,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "gitops = gitops_cli.__main__:main" in archive.read(entry).decode()


@pytest.mark.slow
def test_the_installed_wheel_passes_the_demo(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment, with the source out of reach: the page within 60 s, and all that follows."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", str(wheel)], check=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(venv / "bin" / "gitops"), "demo", str(tmp_path / "demo"), "--rm", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout)
    assert done.returncode == 0, told
    data = told["data"]
    assert data["seconds_to_first_page"] <= 60
    assert len(data["acts"]) == 5
    assert "id | title" in data["page"]
    assert data["removed"] is True
    assert not (tmp_path / "demo").exists()
