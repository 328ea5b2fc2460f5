"""Every test runs with a home and a git configuration of its own; `test_trap.py` proves it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

from tests.cluster.build import kept_places

# helpers assert too, and then the difference is wanted
pytest.register_assert_rewrite("tests.support", "tests.kill", "tests.kubernetes")
pytest_plugins = (
    "tests.rows",
    "tests.crash.counted",
    "tests.kill.table",
    "tests.left_out",
    "tests.cluster.fixtures",
)

# The same inputs in every run: one that fails somebody's push does so again when it is looked at.
hypothesis.settings.register_profile(
    "same", derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("same")

GIT_CONFIG = """\
[user]
    name = A Developer
    email = developer@example.org
[init]
    defaultBranch = main
[advice]
    detachedHead = false
[gc]
    auto = 0
[commit]
    gpgSign = false
"""
_KEPT_GIT = ("GIT_EXEC_PATH",)
"""Of the caller's GIT_* variables, only where git's own programs are."""


def pytest_configure(config: pytest.Config) -> None:
    """Point everything that a program finds by itself at a trap, before any test or fixture runs."""
    # As root some processes run as another user, so the folder can be passed; what matters in it cannot.
    trap = Path(tempfile.mkdtemp(prefix="gitops-tests-"))
    trap.chmod(0o711)
    home = trap / "home"
    home.mkdir()
    git_config = trap / "gitconfig"
    git_config.write_text(GIT_CONFIG)
    kept = kept_places()  # Kubernetes is built once for many runs
    pip_cache = os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))
    for name in list(os.environ):
        if name.startswith(("GIT_", "XDG_", "PG", "KUBE")) and name not in _KEPT_GIT:
            del os.environ[name]
    os.environ |= kept | {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "GIT_CONFIG_GLOBAL": str(git_config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GITOPS_TESTS_TRAP": str(trap),
        "PIP_CACHE_DIR": pip_cache,  # packages may be kept between runs: only they come from outside
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "LC_ALL": "C.UTF-8",
    }
    config.add_cleanup(lambda: shutil.rmtree(trap, ignore_errors=True))
