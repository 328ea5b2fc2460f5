"""The bare repository as it is made, mended and doubted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import gitops_cli
from gitops_cli.adapters.git import settings
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from gitops_cli.adapters.home import Home


def test_made_twice_changes_nothing(home: Home) -> None:
    def picture() -> dict[str, tuple[int, bytes]]:
        return {str(p): (p.stat().st_mode, p.read_bytes()) for p in home.repo.rglob("*") if p.is_file()}

    before = picture()
    assert settings.make_bare(home.repo, interpreter=sys.executable) == []
    assert picture() == before
    assert settings.check_hooks(home.repo) == []
    assert settings.check_settings(home.repo) == []
    assert (home.repo / "info" / "attributes").read_bytes().startswith(b"* -export-subst")


@pytest.mark.row(64)
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda hook: hook.unlink(), "the hook pre-receive is missing"),
        (lambda hook: hook.chmod(0o644), "the hook pre-receive is not executable"),
        (lambda hook: hook.write_text("#!/bin/sh\nexit 0\n"), "the hook pre-receive was changed"),
        (
            lambda hook: hook.write_bytes(hook.read_bytes() + b"rm -rf /\n"),
            "the hook pre-receive was changed",
        ),
        (lambda hook: hook.write_bytes(b""), "the hook pre-receive was changed"),
        (lambda hook: (hook.unlink(), hook.symlink_to("nowhere")), "the hook pre-receive is a dangling link"),
    ],
)
def test_each_state_of_a_hook_is_told_and_mended(home: Home, spoil: object, said: str) -> None:
    assert callable(spoil)
    spoil(home.repo / "hooks" / "pre-receive")
    assert settings.check_hooks(home.repo) == [said]
    with pytest.raises(Unavailable, match=said) as caught:
        settings.refuse_unless_sound(home.repo)
    assert caught.value.next_command == f"gitops remote init {home.path}"
    settings.make_bare(home.repo, interpreter=sys.executable)
    assert settings.check_hooks(home.repo) == []


def test_a_lost_setting_is_told(home: Home) -> None:
    config = home.repo / "config"
    config.write_text(
        config.read_text().replace("procReceiveRefs = refs\n", "").replace("fsckObjects = true", "x = 1")
    )
    said = settings.check_settings(home.repo)
    assert "receive.procReceiveRefs is not refs" in said
    assert "receive.fsckObjects is not true" in said
    (home.repo / "objects" / "info").mkdir(exist_ok=True)
    (home.repo / "objects" / "info" / "alternates").write_text("/elsewhere\n")
    assert any("alternates" in line for line in settings.check_settings(home.repo))


def test_odd_paths_are_quoted_for_the_shell() -> None:
    text = settings.hook_text("pre-receive", "/a b/py'thon$(id)", ["/x y", "/z"]).decode()
    assert """PYTHON='/a b/py'"'"'thon$(id)'\n""" in text
    assert "PATHS='/x y:/z'\n" in text
    assert "@" not in text.replace('"$@"', "")


@pytest.mark.parametrize("name", settings.SERVER_HOOKS)
def test_a_hook_without_its_program_names_the_folder_to_mend(home: Home, name: str) -> None:
    settings.make_bare(home.repo, interpreter="/gone/python")
    done = subprocess.run(
        [home.repo / "hooks" / name], cwd=home.repo, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith(f"next: gitops remote init {home.path}\n")


def test_the_paths_name_the_package_and_its_dependencies() -> None:
    paths = settings.import_paths()
    assert paths[0] == str(Path(gitops_cli.__file__).parents[1])
    assert str(Path(msgspec.__file__).parents[1]) in paths
