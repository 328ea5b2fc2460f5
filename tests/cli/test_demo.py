"""`gitops demo`: the whole story, as the README's first command tells it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gitops_cli.cli.commands.demo import called_as
from gitops_cli.scaffold.demo import rows
from tests.cli.conftest import gitops

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_story(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    said = gitops("demo", str(place), "--json")
    data = said.envelope["data"]
    assert said.code == 0
    assert data["seconds_to_first_page"] <= 60
    assert [act["name"] for act in data["acts"]] == [
        "an empty folder becomes a project with a remote",
        "git push is the release",
        "a migration travels with the code",
        "a push that fails changes nothing",
        "a rollback is a push too",
    ]
    assert "id | title | author" in data["acts"][2]["says"]
    assert data["page"].splitlines()[0] == "id | title"
    status = gitops("status", "--json", cwd=place / "app").envelope["data"]["environments"]["production"]
    assert status["released"]["number"] == 4
    again = gitops("demo", str(place), "--json").envelope["error"]
    assert (again["code"], again["next"]) == ("demo.not-empty", f"gitops demo {place} --rm")
    gone = gitops("demo", str(place), "--rm")
    assert gone.code == 0, gone.err
    assert not place.exists()


def test_a_folder_of_somebody_else_is_never_removed(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    assert gitops("remote", "init", str(place / "remote")).code == 0
    (place / "thesis.tex").write_text("")
    busy = gitops("demo", str(place), "--json").envelope["error"]
    assert busy["code"] == "demo.not-empty"
    assert "--rm" not in busy["next"]  # which would refuse it in turn
    said = gitops("demo", str(place), "--rm", "--json")
    assert said.envelope["error"]["code"] == "demo.none"
    assert (place / "thesis.tex").exists()


def test_the_way_to_go_on_is_a_command_that_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "my bin" / "gitops"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(program.parent)
    monkeypatch.setenv("PATH", os.defpath)
    assert called_as("./gitops") == f"'{program}'"
    monkeypatch.setenv("PATH", str(program.parent))
    assert called_as(str(program)) == "gitops"
    assert called_as("/x/gitops_cli/__main__.py").endswith(" -m gitops_cli")


def test_rows_of_a_page() -> None:
    page = "<table><tr><th>id</th><th>a &amp; b</th></tr>\n<tr><td>1</td><td></td></tr></table>"
    assert rows(page) == ["id | a & b", "1 | "]
