"""Ratios and counts: what a release costs beside the plain tools. `nox -s bench`, `-- --quick` for less.

Seconds differ between machines and days; the ratios, taken within one run, are what to compare.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from gitops_cli import releases
from gitops_cli.adapters.checkout import Checkout
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres import binaries, server, urls
from gitops_cli.adapters.postgres.access import access
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.scaffold.init import init
from gitops_cli.scaffold.known import Known
from gitops_cli.steps.surroundings import surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

IDENTITY = {
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.org",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.org",
}
MIGRATION = '''"""table {number}"""
import sqlalchemy as sa
from alembic import op

revision = "{number:04}"
down_revision = {down!r}


def upgrade():
    op.create_table("t{number}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))


def downgrade():
    op.drop_table("t{number}")
'''


def timed(act: Callable[[], object]) -> float:
    """Give the seconds that a call takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, env=os.environ | IDENTITY
    )


class Site:
    """A project and its remote in a temporary folder, with its first version live."""

    def __init__(self, top: Path) -> None:
        top.mkdir()
        self.app, self.home = top / "app", Home(top / "remote")
        init(self.app, remote=str(self.home.path))
        self.commit()
        git(self.app, "push", "-q", "gitops", "main")

    def commit(self) -> None:
        git(self.app, "add", "-A")
        git(self.app, "commit", "-q", "-m", "bench")

    def change_line(self, number: int) -> None:
        """Change one line that the app shows."""
        (self.app / "note.txt").write_text(f"line {number}\n")
        self.commit()

    def add_migrations(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            text = MIGRATION.format(number=number, down=f"{number - 1:04}")
            (self.app / f"migrations/versions/{number:04}_table.py").write_text(text)
        self.commit()

    def push(self, remote: str = "gitops") -> None:
        git(self.app, "push", "-q", remote, "main")

    def steps(self) -> dict[str, float]:
        """Give the seconds of each step of the last release."""
        known = Known(Checkout.need(self.app), "gitops").fetch()
        told = next(known.releases("production")).told
        return {name: seconds for name, seconds, _line in told.steps}

    def database(self) -> str:
        setting = surroundings(self.home).environment("production").database
        return access(self.home, "production", "app", setting).admin_url

    def end(self) -> None:
        releases.down(self.home, SILENT)
        server.destroy(self.home)


def push_ratio(top: Path, repeat: int) -> None:
    """A release of a one-line change without a migration beside a bare `git push`."""
    site = Site(top)
    bare = top / "bare.git"
    git(top, "init", "-q", "--bare", str(bare))
    git(site.app, "remote", "add", "bare", str(bare))
    plain, release = [], []
    for number in range(repeat):
        site.change_line(number)
        plain.append(timed(lambda: site.push("bare")))
        release.append(timed(site.push))
    a, b = statistics.median(plain), statistics.median(release)
    print(f"git push to a bare repository       {a:8.3f} s")
    print(f"release of a one-line change        {b:8.3f} s   x {b / a:.1f}")
    for name, seconds in site.steps().items():
        if name == "publish":  # the record is written before it, and so cannot know
            continue
        print(f"    {name:<10}                      {seconds:8.3f} s")
    count_processes(site)
    site.end()


def count_processes(site: Site) -> None:
    """Count the programs that one such push starts."""
    if shutil.which("strace") is None:
        print("processes of a push: strace is not installed")
        return
    site.change_line(-1)
    log = site.app.parent / "trace"
    command = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=execve",
        "-o",
        str(log),
        "git",
        "push",
        "-q",
        "gitops",
        "main",
    ]
    subprocess.run(command, cwd=site.app, check=False, capture_output=True)
    started = [
        line.split('"')[1] for line in log.read_text(errors="replace").splitlines() if line.endswith("= 0")
    ]
    git_runs = sum(Path(path).name.startswith("git") for path in started)
    print(f"programs started by such a push: {len(started)}, of them git {git_runs}")


def migrations_ratio(top: Path, count: int) -> None:
    """A release with `count` migrations beside `alembic upgrade head` and one `psql -1` with the same SQL."""
    site = Site(top)
    site.add_migrations(2, count)
    whole = timed(site.push)
    steps = site.steps()
    url = site.database()
    ours = steps.get("rehearse", 0.0) + steps.get("migrate", 0.0)
    alembic = timed(lambda: upgrade(site.app, scratch(url, "bench_alembic")))
    script = top / "all.sql"
    script.write_bytes(run_alembic(site.app, url, "upgrade", "head", "--sql"))
    psql = timed(lambda: run_psql(scratch(url, "bench_psql"), script))
    print(f"{count:>5} migrations: release {whole:7.2f} s (rehearse and migrate {ours:.2f} s)")
    print(f"      alembic upgrade head {alembic:7.2f} s   rehearse and migrate x {ours / alembic:.1f}")
    print(f"      psql -1              {psql:7.2f} s   rehearse and migrate x {ours / psql:.1f}")
    site.end()


def scratch(url: str, name: str) -> str:
    """Make an empty database and give its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return urls.with_database(url, name)


def run_alembic(folder: Path, url: str, *arguments: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=folder,
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        check=True,
    )
    return done.stdout


def upgrade(folder: Path, url: str) -> None:
    run_alembic(folder, url, "upgrade", "head")


def run_psql(url: str, file: Path) -> None:
    program = binaries.installed()[0].program("psql")
    # the dump of alembic has its own BEGIN and COMMIT, about which -1 only warns
    subprocess.run(
        [program, "-1", "-q", "-v", "ON_ERROR_STOP=1", "-f", file, url], check=True, capture_output=True
    )


def modules() -> None:
    """Count what a command imports."""
    for arguments in (["--version"], ["--help"], ["status", "--help"]):
        code = (
            f"import sys; sys.argv = ['gitops', *{arguments!r}]\n"
            "from gitops_cli.__main__ import main\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            "sys.stderr.write(str(len(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        print(f"modules of gitops {' '.join(arguments):<16} {done.stderr:>5}")


def main() -> None:
    """Run them all, each in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 and 100 migrations, 3 pushes")
    quick = parser.parse_args().quick
    modules()
    with tempfile.TemporaryDirectory(prefix="gitops-bench-") as folder:
        push_ratio(Path(folder, "push"), 3 if quick else 9)
        for count in (1, 100) if quick else (1, 100, 1000):
            migrations_ratio(Path(folder, f"migrations-{count}"), count)


if __name__ == "__main__":
    main()
