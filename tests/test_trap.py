"""The traps that keep tests away from the user's own files are set."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

from gitops_cli.scaffold.remote import default_home


def test_home_is_not_the_users() -> None:
    assert Path.home() != Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert Path.home().is_relative_to(os.environ["GITOPS_TESTS_TRAP"])


def test_git_reads_no_configuration_of_the_user() -> None:
    read = subprocess.run(
        ["git", "config", "--show-origin", "--list"], cwd="/", capture_output=True, text=True, check=False
    ).stdout
    origins = {line.split("\t")[0] for line in read.splitlines()}
    assert origins <= {f"file:{os.environ['GIT_CONFIG_GLOBAL']}"}
    assert "user.name=A Developer" in read


def test_remotes_are_made_inside_the_trap() -> None:
    assert default_home("app", Path("/somewhere")).path.is_relative_to(os.environ["GITOPS_TESTS_TRAP"])


def test_no_cluster_of_the_user_is_found() -> None:
    assert not [name for name in os.environ if name.startswith("KUBE")]
    assert not (Path.home() / ".kube").exists()
