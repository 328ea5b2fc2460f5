"""ihatemoney 7.2.1 from PyPI: a Flask application with 13 Alembic revisions that knows nothing of gitops.

Its package folder is copied from the installed distribution into a new repository, as its own one has it.
Around it stands what a developer writes to deploy it anywhere: a Dockerfile, requirements, settings.
"""

from __future__ import annotations

import base64
import http.cookiejar
import json
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from importlib.metadata import Distribution
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.adapters.home import Home
from tests.support.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = "7.2.1"
HEAD = "c941aaca38c2"
"""The newest of its 13 revisions."""
ENV = "ihatemoney/migrations/env.py"
DOCKERFILE = """\
FROM python:3-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
ENV IHATEMONEY_SETTINGS_FILE_PATH=/app/settings.py PORT=8000
EXPOSE $PORT
CMD gunicorn --bind 0.0.0.0:$PORT ihatemoney.wsgi:application
"""
SETTINGS = """\
import os

SQLALCHEMY_DATABASE_URI = os.environ["DATABASE_URL"]
SECRET_KEY = os.environ["SECRET_KEY"]
"""
SECRET = """\
            - name: SECRET_KEY
              valueFrom:
                secretKeyRef: {name: money, key: secret-key}
"""
USER = "trip:a-long-word"


def gitops(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `gitops` as a developer does."""
    return subprocess.run(
        [sys.executable, "-m", "gitops_cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def steady(site: Site) -> str:
    """Picture everything that a push may move; each answer has another token against forged forms."""
    return re.sub(r"[\w-]{40,}\.[\w-]{6}\.[\w-]{27}", "TOKEN", site.snapshot())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution alone, in a folder of its own."""
    folder = tmp_path_factory.mktemp("pypi")
    wanted = f"ihatemoney=={VERSION}"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), wanted],
        check=True,
    )
    return folder


@pytest.fixture(scope="module")
def begun(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """Its repository after `gitops init`, committed but not pushed; and what `init` said."""
    top = tmp_path_factory.mktemp("money")
    folder = top / "money"
    shutil.copytree(
        installed / "ihatemoney", folder / "ihatemoney", ignore=shutil.ignore_patterns("__pycache__")
    )
    (found,) = installed.glob("ihatemoney-*.dist-info")
    needs = [line for line in Distribution.at(found).requires or [] if "extra ==" not in line]
    (folder / "requirements.txt").write_text("\n".join([*needs, "psycopg2-binary", "gunicorn"]) + "\n")
    (folder / "settings.py").write_text(SETTINGS)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(folder)], check=True)
    home = Home(top / "remote")
    site = Site(folder, home, "money")
    site.commit("ihatemoney, with a Dockerfile")
    done = gitops(folder, "init", "--remote", str(home.path))
    assert done.returncode == 0, done.stderr
    deployment = folder / "deploy/deployment.yaml"
    text = deployment.read_text()
    deployment.write_text(text.replace("          readinessProbe:\n", SECRET + "          readinessProbe:\n"))
    site.commit("Begin with gitops")
    (home.secrets / "money").mkdir(mode=0o700)
    (home.secrets / "money/secret-key").write_text("only-of-this-test\n")
    try:
        yield site, done.stdout
    finally:
        site.down()


@pytest.fixture(scope="module")
def refused(begun: tuple[Site, str]) -> tuple[Site, str]:
    """The first pushes: its env.py is as it came."""
    site, _ = begun
    first = site.push(timeout=600)
    assert first.code != 0
    before = site.snapshot()  # the first one started the database server
    assert '"refs": {}' in before
    pushed = site.push()
    assert pushed.code != 0
    assert site.snapshot() == before
    return site, pushed.text


@pytest.fixture(scope="module")
def served(refused: tuple[Site, str]) -> tuple[Site, str]:
    """The lines that the refusal printed are pasted where it says, committed and pushed."""
    site, text = refused
    said = [
        line.removeprefix("remote: ").rstrip() for line in text.splitlines() if line.startswith("remote:")
    ]
    begin = said.index("from alembic import context")
    end = next(number for number, line in enumerate(said) if "FAILED" in line)
    place = re.search(rf"below line (\d+) of {re.escape(ENV)}", text)
    assert place is not None, text
    path = site.folder / ENV
    lines = path.read_text().splitlines()
    lines[int(place[1]) : int(place[1])] = said[begin:end]
    path.write_text("\n".join(lines) + "\n")
    return site, site.release("Use the connection that is handed over")


class Visitor:
    """Somebody with a browser, and with the application's own API."""

    def __init__(self, site: Site) -> None:
        self.url = next(iter(site.urls.values()))
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)

    def get(self, path: str = "/") -> tuple[int, str]:
        with self._opener.open(self.url + path, timeout=30) as answer:
            return answer.status, answer.read().decode()

    def api(self, path: str, fields: dict[str, str] | None = None, *, user: str = "") -> Any:
        """Ask the API; with fields, make something."""
        data = urllib.parse.urlencode(fields).encode() if fields else None
        request = urllib.request.Request(f"{self.url}/api/projects{path}", data)
        if user:
            request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
        with self._opener.open(request, timeout=30) as answer:
            return json.loads(answer.read())


@pytest.fixture(scope="module")
def trip(served: tuple[Site, str]) -> tuple[Site, Visitor]:
    """Somebody uses it: a project with one member and one bill."""
    site, _ = served
    visitor = Visitor(site)
    project = {"name": "Trip", "id": "trip", "password": "a-long-word", "contact_email": "ada@example.org"}
    visitor.api("", {**project, "default_currency": "XXX"})
    member = visitor.api("/trip/members", {"name": "Ada"}, user=USER)
    bill = {"date": "2026-01-01", "what": "tea", "payer": member, "payed_for": member, "amount": "12"}
    visitor.api("/trip/bills", bill, user=USER)
    return site, visitor
