"""docs/how-to/adopt.md, taken at its word: a small Flask application with the Dockerfile of that page."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.home import Home
from tests.realapp.conftest import gitops
from tests.support.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/adopt.md"
APP = """\
from flask import Flask

app = Flask(__name__)


@app.get("/")
def page():
    return "hello\\n"
"""


@pytest.fixture
def adopted(tmp_path: Path) -> Iterator[Site]:
    """The application in a repository, after `gitops init`, committed."""
    site = Site(tmp_path / "hello", Home(tmp_path / "remote"), "hello")
    site.folder.mkdir()
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(site.folder)], check=True)
    recipe = PAGE.read_text().partition("```dockerfile\n")[2].partition("```")[0]
    site.commit("An app", {"app.py": APP, "requirements.txt": "flask\ngunicorn\n", "Dockerfile": recipe})
    done = gitops(site.folder, "init", "--remote", str(site.home.path), "--json")
    assert json.loads(done.stdout)["data"]["notes"] == []
    site.commit("Begin")
    try:
        yield site
    finally:
        site.down()


def test_init_commit_and_push_serve_its_page(adopted: Site) -> None:
    pushed = adopted.push(timeout=600)
    assert pushed.code == 0, pushed.text
    assert adopted.page() == "hello\n"
    assert gitops(adopted.folder, "init").stdout == "nothing was missing\n"
    assert adopted.git("status", "--porcelain") == ""


def test_one_that_cannot_start_is_refused_although_its_server_listens(adopted: Site) -> None:
    """gunicorn listens before it loads the application: only a page tells that this one cannot serve."""
    assert adopted.push(timeout=600).code == 0
    broken = APP + "\nimport os\nos.environ['NO_SUCH_SETTING']\n"
    text = adopted.refused({"app.py": broken})
    assert "KeyError: 'NO_SUCH_SETTING'" in text
    assert adopted.page() == "hello\n"
