"""A world in which commits with migrations are released to a real database, without a target."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from gitops_cli.adapters import sandbox
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.postgres import fingerprint
from gitops_cli.adapters.postgres.access import Access, access
from gitops_cli.config.remote import Environment, Policy, Timeouts
from gitops_cli.pipeline.model import Release
from gitops_cli.steps.context import Context
from gitops_cli.steps.migrate import Migrate
from gitops_cli.steps.rehearse import Rehearse
from gitops_cli.steps.transcript import Transcript
from tests.support import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gitops_cli.adapters.home import Home

ENV = """\
from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
"""
PROJECT = "version: 1\nname: shop\nmigrations: db\nservices:\n  web: {}\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n"


def revision(number: int, up: str, down: str = "pass", head: str = "") -> str:
    """Write a migration; `up` and `down` are Python."""
    parent = "None" if number == 1 else f'"{number - 1:04}"'
    return (
        f'{head}from alembic import op\nimport sqlalchemy as sa\n\nrevision = "{number:04}"\ndown_revision = {parent}\n'
        f"\n\ndef upgrade():\n    {_indent(up)}\n\n\ndef downgrade():\n    {_indent(down)}\n"
    )


def _indent(text: str) -> str:
    return text.strip().replace("\n", "\n    ")


def sql(up: str, down: str = "") -> tuple[str, str]:
    """Write both ways as SQL."""
    return f"op.execute({up!r})", f"op.execute({down!r})" if down else "pass"


ITEMS = sql("CREATE TABLE items (id serial PRIMARY KEY, name text NOT NULL)", "DROP TABLE items")
NOTE = sql("ALTER TABLE items ADD COLUMN note text", "ALTER TABLE items DROP COLUMN note")


@dataclass
class Heard:
    """A watcher that remembers."""

    lines: list[str] = field(default_factory=list)

    def begins(self, step: str) -> None: ...
    def ends(self, step: str, seconds: float, line: str) -> None: ...
    def fails(self, step: str, seconds: float, reason: str) -> None: ...
    def undoes(self, step: str, seconds: float) -> None: ...
    def says(self, text: str) -> None:
        self.lines.append(text)


class NoTarget:
    """The migrations' part of a target."""

    environments: tuple[str, ...] = ()
    rolling: tuple[str, ...] = ()

    def libraries(self, wanted: object) -> Sequence[str]:
        return self.environments

    def overlap(self, wanted: object) -> Sequence[str]:
        return self.rolling


@dataclass
class Journal:
    """The facts of one release, as JSON keeps them."""

    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    on_note: Any = None

    def record(self, step: str) -> Facts:
        return Facts(self, step)


@dataclass
class Facts:
    journal: Journal
    step: str

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.journal.steps.get(self.step, {})

    def note(self, **facts: Any) -> None:
        kept = json.loads(json.dumps(facts))
        self.journal.steps.setdefault(self.step, {}).update(kept)
        if self.journal.on_note:
            self.journal.on_note(facts)

    def of(self, step: str) -> Mapping[str, Any]:
        return self.journal.steps.get(step, {})


@dataclass
class World:
    """One project, one environment, one database."""

    home: Home
    name: str
    git: Path
    level: sandbox.Level
    policy: Policy = field(default_factory=Policy)
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(lock=2, migration=30, rehearsal=30))
    heard: Heard = field(default_factory=Heard)
    number: int = 0
    live: str = ""
    target: NoTarget = field(default_factory=NoTarget)

    @property
    def access(self) -> Access:
        return access(self.home, self.name, "shop", "embedded")

    def run_git(self, *args: str) -> str:
        return subprocess.run(
            ["git", "-C", self.git, *args], check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(
        self, *scripts: tuple[str, str], env: str = ENV, files: Mapping[str, str] | None = None
    ) -> str:
        """Commit a tree with these migrations, numbered from 1, and these files."""
        tree = {
            "gitops.yaml": PROJECT,
            "db/env.py": env,
            "deploy/config.yaml": CONFIG,
            "Dockerfile": "FROM scratch\n",
        }
        tree |= {
            f"db/versions/{number:04}_step.py": revision(number, *script)
            for number, script in enumerate(scripts, 1)
        }
        tree |= files or {}
        for path in self.git.iterdir():
            if path.name != ".git":
                subprocess.run(["rm", "-rf", path], check=True)
        for name, text in tree.items():
            path = self.git / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.run_git("add", "-A")
        self.run_git("commit", "-q", "--allow-empty", "-m", "work")
        return self.run_git("rev-parse", "HEAD")

    def context(self) -> Context:
        environment = Environment(name=self.name, branch="main", policy=self.policy, timeouts=self.timeouts)
        return Context(
            home=self.home,
            environment=environment,
            repo=Repo(self.git / ".git"),
            target=self.target,  # type: ignore[arg-type]  # only these two are asked here
            level=self.level,
            watch=self.heard,
            transcript=Transcript(self.heard),
        )

    def release(self, commit: str, *options: str) -> Attempt:
        """Begin a release of a commit."""
        self.number += 1
        found = Release(
            number=self.number,
            id=os.urandom(8).hex(),
            environment=self.name,
            commit=commit,
            tree=self.run_git("rev-parse", f"{commit}^{{tree}}"),
            previous=self.live,
            options=options,
            actor="A Developer",
        )
        return Attempt(self, found)

    def push(self, commit: str, *options: str) -> list[str]:
        """Release a commit, or put back what it did and raise."""
        attempt = self.release(commit, *options)
        try:
            lines = attempt.do()
        except BaseException:
            attempt.undo()
            raise
        self.live = commit
        attempt.settle()
        return lines

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.access.admin_url, autocommit=True) as admin:
            admin.execute("SET search_path = public")  # the superuser's own would be the ledger's
            cursor = admin.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def picture(self) -> dict[str, Any]:
        """Schema, rows, revision, and what lies about."""
        with psycopg.connect(self.access.admin_url, autocommit=True) as admin:
            databases = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'gitops_scratch_%'")
            return {
                "schema": fingerprint.take(admin).rows,
                "rows": fingerprint.rows_digest(admin),
                "scratch": databases.fetchall(),
                "exports": sorted(path.name for path in self.home.exports.glob(f"*{self.name}-*")),
                "kept": sorted(str(path) for path in self.home.kept(self.name).rglob("*")),
                "sessions": _sessions(admin, self.access.name),
            }


def _sessions(admin: psycopg.Connection[Any], database: str) -> int:
    """Count the sessions of releases; the server takes a moment to end one whose client has gone."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE starts_with(application_name, 'gitops:') AND datname = %s"
    )
    until = time.monotonic() + 20
    while True:
        (count,) = admin.execute(query, (database,)).fetchone() or (0,)
        if not count or time.monotonic() > until:
            return int(count)
        time.sleep(0.02)


@dataclass
class Attempt:
    """One release's two database steps."""

    world: World
    release: Release
    journal: Journal = field(default_factory=Journal)
    begun: list[str] = field(default_factory=list)

    def do(self) -> list[str]:
        lines = []
        for step in (Rehearse, Migrate):
            self.begun.append(step.name)
            lines.append(step(self.world.context()).do(self.release, self.journal.record(step.name)))
        return lines

    def undo(self) -> None:
        for step in (Migrate, Rehearse):
            if step.name in self.begun:
                step(self.world.context()).undo(self.release, self.journal.record(step.name))

    def settle(self) -> None:
        for step in (Rehearse, Migrate):
            step(self.world.context()).settle(self.release, self.journal.record(step.name))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A remote with a running server, shared by a worker's tests."""
    with cluster.cluster(tmp_path_factory.mktemp("remote")) as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def _tidy() -> Iterator[None]:
    yield
    cluster.forget_templates()


@pytest.fixture(scope="session")
def level() -> sandbox.Level:
    """The strongest sandbox of this machine."""
    return sandbox.probe().level


_NUMBERS = itertools.count()


@pytest.fixture
def world(home: Home, level: sandbox.Level, tmp_path: Path) -> World:
    """A project without a release yet."""
    git = tmp_path / "app"
    git.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", git], check=True)
    return World(home, f"w{next(_NUMBERS)}", git, level)
