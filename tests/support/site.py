"""A developer's checkout and its remote on this machine, for tests that push for real."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_cli import releases
from gitops_cli.adapters import templates
from gitops_cli.adapters.created import Created
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres import server, urls
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.scaffold.remote import make_remote
from tests.support.snapshot import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = '''\
"""Answers every request with what it is."""
import http.server, os

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open("page.txt", "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
'''
DOCKERFILE = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 8080\nCMD ["python", "app.py"]\n'
GITOPS = "version: 1\nname: shop\nservices:\n  web: {}\nmanifests: deploy\nmigrations: migrations\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: web
          image: web
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
"""
MIGRATION = '''\
"""{message}"""
from alembic import op

revision = "{revision}"
down_revision = {down!r}


def upgrade():
    {up}


def downgrade():
    {back}
'''


def migration(revision: str, down: str | None, up: str, back: str, message: str = "a change") -> str:
    """Write the text of a migration; `up` and `back` are SQL, or Python when they begin with `!`."""

    def code(text: str) -> str:
        return text[1:] if text.startswith("!") else f"op.execute({text!r})"

    return MIGRATION.format(message=message, revision=revision, down=down, up=code(up), back=code(back))


@dataclass(frozen=True)
class Pushed:
    """What the pusher saw."""

    code: int
    text: str


@dataclass(frozen=True)
class Site:
    """One checkout and its remote."""

    folder: Path
    home: Home
    project: str = "shop"

    def git(self, *args: str, check: bool = True) -> str:
        """Run git in the checkout."""
        done = subprocess.run(
            ["git", "-C", str(self.folder), *args], capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files: dict[str, str]) -> None:
        """Write files into the checkout."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, message: str = "Change", files: dict[str, str] | None = None) -> str:
        """Write these files, commit everything there is, give the id."""
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *args: str, timeout: float = 300) -> Pushed:
        """Push like a plain clone; by default `main`."""
        done = subprocess.run(
            ["git", "-C", str(self.folder), "push", "gitops", *(args or ("main",))],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        return Pushed(done.returncode, done.stdout + done.stderr)

    def release(self, message: str = "Change", files: dict[str, str] | None = None) -> str:
        """Commit, push and insist that it was released; give what the pusher saw."""
        self.commit(message, files)
        pushed = self.push()
        assert pushed.code == 0, pushed.text
        return pushed.text

    def refused(self, files: dict[str, str] | None = None, *args: str) -> str:
        """Commit, push and insist that it was refused and that nothing moved; give what the pusher saw."""
        before = self.snapshot()
        self.commit("Change", files)
        pushed = self.push(*args)
        assert pushed.code != 0, pushed.text
        assert self.snapshot() == before
        assert "Traceback" not in pushed.text
        return pushed.text

    @property
    def urls(self) -> dict[str, str]:
        """The URL of each Service."""
        return {name: url for found in releases.status(self.home) for name, url in found.live.urls.items()}

    def page(self) -> str:
        """Ask the page."""
        with urllib.request.urlopen(next(iter(self.urls.values())), timeout=60) as answer:
            return str(answer.read().decode())

    @property
    def tip(self) -> str:
        """What `main` of the remote names; empty when it is not there."""
        return self.git("ls-remote", str(self.home.repo), "refs/heads/main").partition("\t")[0]

    @property
    def database(self) -> str:
        """The administrator's URL of the app's database; empty when there is none yet."""
        running = server.status(self.home)
        if running is None:
            return ""
        import psycopg

        name = f"{self.project}_production"
        with psycopg.connect(running.admin_url) as connection:
            there = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
        return urls.with_database(running.admin_url, name) if there else ""

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Ask the app's database as its administrator."""
        import psycopg

        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def snapshot(self) -> str:
        """Picture everything that a push may move."""
        return snapshot(self.home, admin_url=self.database, urls=self.urls)

    def back(self) -> None:
        """Make the checkout what the remote has."""
        self.git("fetch", "-q", "gitops")
        self.git("reset", "-q", "--hard", "gitops/main")
        self.git("clean", "-qfd")

    def recover(self) -> list[str]:
        """Settle what a crash left."""
        return releases.recover(self.home, SILENT)

    def down(self) -> None:
        """Stop everything."""
        releases.down(self.home, SILENT)
        server.destroy(self.home)


@contextmanager
def released(folder: Path, *, migrations: bool = True) -> Iterator[Site]:
    """Give a site with its first version live, and end it."""
    site = make_site(folder, migrations=migrations)
    try:
        site.release("The first version")
        yield site
    finally:
        site.down()


def make_site(folder: Path, *, migrations: bool = True) -> Site:
    """Make a checkout with one commit and a remote; nothing is pushed yet."""
    home = Home(folder / "remote")
    with Created() as created:
        make_remote(home, "main", created)
    site = Site(folder / "app", home)
    site.folder.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", str(site.folder)], check=True)
    site.git("remote", "add", "gitops", str(home.repo))
    files = {
        "app.py": APP,
        "page.txt": "one\n",
        "Dockerfile": DOCKERFILE,
        "gitops.yaml": GITOPS if migrations else GITOPS.replace("migrations: migrations\n", ""),
        "deploy/deployment.yaml": DEPLOYMENT,
        "deploy/service.yaml": SERVICE,
    }
    if migrations:
        files |= {
            "migrations/env.py": templates.read("project/migrations/env.py"),
            "migrations/versions/0001_items.py": migration(
                "0001",
                None,
                "create table items (id serial primary key, name text not null)",
                "drop table items",
            ),
        }
    site.write(files)
    site.commit("The first version")
    return site
