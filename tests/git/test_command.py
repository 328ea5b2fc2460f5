"""git is started in one place, with an environment built from nothing."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING

import gitops_cli
from gitops_cli.adapters.git import command
from gitops_cli.adapters.git.repo import Repo

if TYPE_CHECKING:
    import pytest

    from gitops_cli.adapters.home import Home

SOURCE = Path(gitops_cli.__file__).parent
STARTS = "adapters/git/command.py"
OWN_CHECKOUT = "adapters/checkout.py"
"""Asks git about the developer's own checkout, in the developer's own environment; hooks never load it."""


def _names_git(node: ast.AST) -> bool:
    """A literal argv of git: a list or tuple that begins with "git" (the linter refuses shell lines)."""
    if isinstance(node, ast.List | ast.Tuple) and node.elts:
        first = node.elts[0]
        return (
            isinstance(first, ast.Constant)
            and isinstance(first.value, str)
            and Path(first.value).name == "git"
        )
    return False


def test_git_is_started_in_one_module() -> None:
    found, users = set(), set()
    for path in SOURCE.rglob("*.py"):
        name = str(path.relative_to(SOURCE))
        tree = ast.parse(path.read_text())
        text = ast.unparse(tree)
        starts = any(
            word in text for word in ("subprocess", "processes", "os.exec", "os.posix_spawn", "os.system")
        )
        if starts and any(_names_git(node) for node in ast.walk(tree)):
            found.add(name)
        if "executable()" in text and "git" in name:
            users.add(name)
    assert found <= {OWN_CHECKOUT}
    assert users == {STARTS}


def test_every_command_line_is_literal_but_for_checked_words() -> None:
    """Each argv given to `call` or `start` begins with a literal subcommand."""
    for path in (SOURCE / "adapters" / "git").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (
                isinstance(node, ast.Call) and ast.unparse(node.func) in {"command.call", "command.start"}
            ):
                continue
            argv = node.args[1]
            assert isinstance(argv, ast.List | ast.Name), f"{path.name}:{node.lineno}"
            if isinstance(argv, ast.List):
                assert isinstance(argv.elts[0], ast.Constant | ast.Starred), f"{path.name}:{node.lineno}"


POISON = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_ASKPASS", "GIT_ATTR_SOURCE", "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_NAME", "GIT_CEILING_DIRECTORIES", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_NAME",
    "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_SYSTEM", "GIT_CONFIG_VALUE_0", "GIT_DEFAULT_HASH", "GIT_DIFF_OPTS",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_FLUSH",
    "GIT_GLOB_PATHSPECS", "GIT_GRAFT_FILE", "GIT_ICASE_PATHSPECS", "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE", "GIT_INDEX_VERSION", "GIT_INTERNAL_SUPER_PREFIX", "GIT_MERGE_AUTOEDIT",
    "GIT_NAMESPACE", "GIT_NOGLOB_PATHSPECS", "GIT_NOTES_REF", "GIT_OBJECT_DIRECTORY", "GIT_PAGER",
    "GIT_PREFIX", "GIT_PROTOCOL", "GIT_PROXY_COMMAND", "GIT_PUSH_CERT", "GIT_PUSH_CERT_STATUS",
    "GIT_PUSH_OPTION_COUNT", "GIT_QUARANTINE_PATH", "GIT_REDIRECT_STDERR", "GIT_REF_PARANOIA",
    "GIT_REFLOG_ACTION", "GIT_REPLACE_REF_BASE", "GIT_SEQUENCE_EDITOR", "GIT_SHALLOW_FILE", "GIT_SSH",
    "GIT_SSH_COMMAND", "GIT_SSL_NO_VERIFY", "GIT_TEMPLATE_DIR", "GIT_TRACE", "GIT_TRACE2",
    "GIT_TRACE2_EVENT", "GIT_TRACE_CURL", "GIT_TRACE_PACKET", "GIT_TRACE_SETUP", "GIT_TRANSLATE",
    "GIT_WORK_TREE", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "BASH_ENV", "ENV", "PAGER", "EDITOR", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME",
]  # fmt: skip
SET_BY_US = {*command.FIXED, "GIT_DIR", "PATH", "HOME", "LC_ALL"}
QUARANTINE = {"GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"}


def test_a_child_sees_none_of_our_variables(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\ncat /proc/self/environ\n")
    fake.chmod(0o755)
    monkeypatch.setattr("gitops_cli.adapters.git.command._found", [str(fake)])
    for name in POISON:
        if name != "LD_PRELOAD":  # would break this very process's children before they start
            monkeypatch.setenv(name, "CANARY")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("PATH", f"/CANARY:{os.environ['PATH']}")
    for quarantine, more in ((None, set()), (tmp_path / "q", QUARANTINE)):
        place = command.Place(home.repo, quarantine)
        out = command.call(place, ["version"]).out.decode()
        seen = dict(item.split("=", 1) for item in out.split("\0") if item)
        assert "CANARY" not in out
        assert set(seen) - {"PWD", "OLDPWD", "SHLVL", "_"} == SET_BY_US | more
        assert all(Path(seen[name]).is_absolute() for name in more | {"GIT_DIR"})
    child = command.start(command.Place(home.repo), ["version"])
    assert b"CANARY" not in child.stdout.read()
    child.finish()


def test_a_repository_in_a_pushed_tree_is_never_entered(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = tmp_path / "evil"
    (evil / "refs").mkdir(parents=True)
    (evil / "objects").mkdir()
    (evil / "HEAD").write_text("ref: refs/heads/main\n")
    (evil / "config").write_text(f"[core]\n\tbare = true\n\tfsmonitor = touch {tmp_path}/ran\n")
    monkeypatch.chdir(evil)
    with Repo(home.repo) as repo:
        assert repo.refs("refs") == {}
    assert not (tmp_path / "ran").exists()
