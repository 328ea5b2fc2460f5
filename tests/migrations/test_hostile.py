"""Migrations that break the rules or attack: each is refused for one reason, and nothing has changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters import sandbox
from gitops_cli.config.remote import Timeouts
from gitops_cli.errors import BadMigration, DatabaseFailed, GitopsError, StepTimeout
from tests.migrations.conftest import ENV, ITEMS, NOTE, World, revision, sql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAST = "db/versions/0003_step.py"


@pytest.fixture
def refused(world: World) -> Callable[..., GitopsError]:
    """Push something onto a database with rows and say how it was refused; nothing may have changed."""
    world.push(world.commit(ITEMS))
    world.sql("INSERT INTO items (name) VALUES ('a'), ('b')")
    before = world.picture()

    def push(up: str, down: str = "pass", **how: object) -> GitopsError:
        commit = world.commit(ITEMS, NOTE, (up, down), **how)  # type: ignore[arg-type]
        with pytest.raises(GitopsError) as error:
            world.push(commit)
        assert world.picture() == before
        assert "Traceback" not in error.value.sentence()
        return error.value

    return push


@pytest.mark.row(36)
class TestOneReason:
    def test_raises(self, refused: Callable[..., GitopsError]) -> None:
        error = refused("x = 1\nraise ValueError('no such luck')")
        assert (error.file, error.line) == (LAST, 10)
        assert error.cause == "upgrade failed: ValueError: no such luck"

    def test_sql_error(self, refused: Callable[..., GitopsError]) -> None:
        error = refused(*sql("ALTER TABLE nowhere ADD COLUMN x int"))
        assert (error.file, error.line) == (LAST, 9)
        assert 'relation "nowhere" does not exist' in error.cause

    def test_only_real_rows_show_it(self, refused: Callable[..., GitopsError]) -> None:
        error = refused(
            *sql("ALTER TABLE items ALTER note SET NOT NULL", "ALTER TABLE items ALTER note DROP NOT NULL")
        )
        assert error.file == LAST
        assert 'column "note" of relation "items" contains null values' in error.cause

    def test_down_is_not_the_inverse(self, refused: Callable[..., GitopsError]) -> None:
        error = refused(*sql("CREATE TABLE t (id int); CREATE INDEX i ON items (name)", "DROP TABLE t"))
        assert error.file == LAST
        assert (
            error.cause
            == "its downgrade is not the inverse of its upgrade: index public.i: added; relation public.i: added"
            or ("index public.i: added" in error.cause)
        )
        assert error.code == "migration.not-inverse"

    def test_down_does_nothing(self, refused: Callable[..., GitopsError]) -> None:
        error = refused(*sql("CREATE TABLE t (id int)"))
        assert error.code == "migration.not-inverse"

    def test_down_raises(self, refused: Callable[..., GitopsError]) -> None:
        error = refused("op.execute('CREATE TABLE t (id int)')", "raise NotImplementedError('never')")
        assert error.code == "migration.irreversible"
        assert error.file == LAST
        assert "policy: {allowIrreversible: true}" in error.next_command

    def test_no_function_downgrade(self, refused: Callable[..., GitopsError]) -> None:
        text = revision(3, "op.execute('CREATE TABLE t (id int)')").partition("def downgrade")[0]
        error = refused("pass", files={LAST: text})
        assert error.cause == "there is no function downgrade()"

    def test_second_up_differs(self, refused: Callable[..., GitopsError]) -> None:
        error = refused(
            *sql(
                "CREATE TYPE mood AS ENUM ('x'); ALTER TABLE items ADD mood mood",
                "ALTER TABLE items DROP mood",
            )
        )
        assert error.code in {"migration.not-inverse", "migration.irreversible"}

    def test_sleeps_for_ever(self, world: World, refused: Callable[..., GitopsError]) -> None:
        world.timeouts = Timeouts(lock=2, migration=10, rehearsal=10)
        error = refused("import time; time.sleep(1000)")
        assert isinstance(error, StepTimeout)
        assert error.file == LAST
        assert error.cause == "it did not end within 10 s, the limit of remote.yaml"

    def test_sleeps_in_the_database(self, world: World, refused: Callable[..., GitopsError]) -> None:
        world.timeouts = Timeouts(lock=2, migration=10, rehearsal=10)
        error = refused("op.execute('SELECT pg_sleep(1000)')")
        assert error.file == LAST

    def test_kills_its_parent(self, refused: Callable[..., GitopsError]) -> None:
        error = refused("import os; os.kill(os.getppid(), 9)")
        assert error.cause == "a migration may not send signals"
        assert (error.file, error.line) == (LAST, 9)

    def test_kills_its_parent_unseen(self, world: World, refused: Callable[..., GitopsError]) -> None:
        if world.level is sandbox.Level.NONE:
            pytest.skip("without a sandbox it may")
        up = "import ctypes, os\nctypes.CDLL(None).kill(os.getppid(), 9)\nraise ValueError('and then')"
        assert refused(up).code in {"migration.failed", "migration.died"}

    def test_ends_itself(self, refused: Callable[..., GitopsError]) -> None:
        error = refused("import os; os._exit(0)")
        assert error.cause == "the migration ended its own process (exit code 0)"
        assert error.file == LAST

    def test_writes_into_the_pipe(self, refused: Callable[..., GitopsError]) -> None:
        error = refused(
            "import os\nfor n in range(3, 20):\n    try: os.write(n, b'J' * 100)\n    except OSError: pass"
        )
        assert error.code in {"migration.pipe", "migration.died", "migration.connection"}

    def test_prints_much(self, world: World, refused: Callable[..., GitopsError]) -> None:
        error = refused("print('\\x1b[31mred\\n' * 100000, flush=True)\nraise ValueError('after all that')")
        assert "after all that" in error.cause
        red = [line for line in world.heard.lines if "red" in line]
        assert red[0] == r"\x1b[31mred"
        assert len(red) <= 200

    def test_second_connection(self, world: World, refused: Callable[..., GitopsError]) -> None:
        url = world.access.migrate_url
        error = refused(f"import psycopg; psycopg.connect({url!r}).execute('CREATE TABLE t (id int)')")
        assert "too many connections for role" in error.cause

    def test_second_engine(self, world: World, refused: Callable[..., GitopsError]) -> None:
        url = world.access.migrate_url.replace("postgresql:", "postgresql+psycopg:")
        error = refused(f"make = getattr(sa, 'create_' + 'engine')\nmake({url!r}).connect()")
        assert error.code == "migration.env"


COMMITS = {
    "commit": "op.execute('COM' + 'MIT')",
    "commit and chain": "op.execute('COM' + 'MIT AND CHAIN')",
    "in one string": "op.execute('SELECT 1; com' + 'mit; SELECT 1')",
    "in a DO block": "op.execute('DO $$BEGIN COM' + 'MIT; END$$')",
    "by the connection": "getattr(op.get_bind(), 'com' + 'mit')()",
    "by the driver": "getattr(op.get_bind().connection.dbapi_connection, 'com' + 'mit')()",
    "constraints": "op.execute('SET CONSTRAINTS ALL IMMEDIATE')",
    "rollback": "op.execute('ROLL' + 'BACK')",
    "rollback by the connection": "getattr(op.get_bind(), 'roll' + 'back')()",
    "rollback and commit": "op.execute('ROLL' + 'BACK'); op.execute('CREATE TABLE t2 (id int)'); op.execute('COM' + 'MIT')",
    "autocommit": "with getattr(op.get_context(), 'auto' + 'commit_block')():\n    op.execute('CREATE TABLE t3 (id int)')",
}


@pytest.mark.row(36)
@pytest.mark.parametrize("how", COMMITS)
def test_commits_by_itself(refused: Callable[..., GitopsError], how: str) -> None:
    error = refused(f"op.execute('CREATE TABLE t (id int)')\n{COMMITS[how]}")
    assert error.code in {"migration.commit", "migration.autocommit", "migration.failed"}
    assert error.file == LAST


@pytest.mark.row(36)
def test_honest_deferred_constraint_passes(world: World) -> None:
    world.push(world.commit(ITEMS))
    world.sql("INSERT INTO items (name) VALUES ('a')")
    own = sql(
        "ALTER TABLE items ADD parent int REFERENCES items DEFERRABLE INITIALLY DEFERRED; UPDATE items SET parent = id",
        "ALTER TABLE items DROP parent",
    )
    world.push(world.commit(ITEMS, own))


ESCAPES = {
    "state folder": "open({state!r} + '/x').read()\n",
    "secret of the operator": "open({secret!r}).read()",
    "the server's process": "open('/proc/1/environ', 'rb').read().index(b'GITOPS')",
    "a port of this machine": "import socket; socket.create_connection(('127.0.0.1', {port}), 2)",
    "the repository": "open({repo!r} + '/config', 'a').write('x')",
    "a file as superuser": "op.execute(\"SELECT pg_read_file('/etc/passwd')\")",
    "a program": "op.execute(\"CREATE TABLE t (x text); COPY t FROM PROGRAM 'id'\")",
    "many processes": "import os\nfor _ in range(5000): os.fork() or __import__('time').sleep(60)",
}


@pytest.mark.row(36)
@pytest.mark.parametrize("escape", ESCAPES)
def test_escapes(world: World, refused: Callable[..., GitopsError], escape: str) -> None:
    if world.level is sandbox.Level.NONE:
        pytest.skip("without a sandbox it may")
    world.home.secrets.mkdir(exist_ok=True)
    secret = world.home.secrets / "token"
    secret.write_text("s3cret")
    values = {
        "state": str(world.home.state), "secret": str(secret), "port": world.access.port, "repo": str(world.git / ".git"),
    }  # fmt: skip
    config = (world.git / ".git/config").read_text()
    error = refused(ESCAPES[escape].format(**values))
    assert error.file == LAST
    assert "s3cret" not in error.sentence()
    assert (world.git / ".git/config").read_text() == config


@pytest.mark.row(39)
def test_files_of_the_tree_are_not_imported(world: World, tmp_path: Path) -> None:
    names = ["yaml", "sitecustomize", "conftest", "json", "alembic", "sqlalchemy", "usercustomize", "logging"]
    bad = "raise SystemExit('imported from the tree')\n"
    files = {f"{folder}{name}.py": bad for name in names for folder in ("", "db/", "db/versions/__init__/")}
    files["alembic.ini"] = "[alembic]\nscript_location = /etc\nprepend_sys_path = .\nversion_locations = /\n"
    world.push(world.commit(("import yaml, json, logging", "pass"), files=files))
    assert world.sql("SELECT version_num FROM alembic_version") == [("0001",)]


def test_migrations_may_import_their_application(world: World) -> None:
    files = {"shop/__init__.py": "", "shop/models.py": "TABLE = 'things'\n"}
    env = "import shop.models\n" + ENV
    up = "from shop.models import TABLE\nop.create_table(TABLE, sa.Column('id', sa.Integer))"
    world.push(world.commit((up, "op.drop_table('things')"), env=env, files=files))
    assert world.sql("SELECT to_regclass('things')::text") == [("things",)]


OLD_ENV = """\
from logging.config import fileConfig

from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
fileConfig(config.config_file_name)
connectable = engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.", poolclass=pool.NullPool)
with connectable.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
FLASK_ENV = """\
from alembic import context

class Proxy:
    def __getattr__(self, name):
        raise RuntimeError("Working outside of application context.")

context.config.set_main_option("sqlalchemy.url", Proxy().config.get("URI"))
"""


@pytest.mark.parametrize("env", [OLD_ENV, FLASK_ENV], ids=["generic", "flask"])
def test_env_that_ignores_the_connection(world: World, env: str) -> None:
    from gitops_cli.config.envpy import LINES_TO_PASTE

    before = world.picture()
    with pytest.raises(BadMigration) as refused:
        world.push(world.commit(ITEMS, env=env))
    assert refused.value.code == "migration.env"
    assert refused.value.file == "db/env.py"
    assert "at the very top of db/env.py" in refused.value.next_command
    said = "\n".join(world.heard.lines)
    assert LINES_TO_PASTE in said + "\n"  # each as a line of its own
    assert world.picture() == before
    world.push(world.commit(ITEMS, env=LINES_TO_PASTE + env))
    assert world.sql("SELECT version_num FROM alembic_version") == [("0001",)]


def test_env_that_is_no_python_is_not_told_to_paste(world: World) -> None:
    late = "import os\nfrom __future__ import annotations\n"  # a tree, but no program
    with pytest.raises(BadMigration, match="is not valid Python: from __future__") as refused:
        world.push(world.commit(ITEMS, env=late))
    assert (refused.value.file, refused.value.line) == ("db/env.py", 2)
    assert refused.value.next_command == "mend it, then: gitops migrate check"


@pytest.mark.row(75)
def test_lock_not_to_be_had_names_the_holder(world: World) -> None:
    import psycopg

    world.push(world.commit(ITEMS))
    before = world.picture()
    with psycopg.connect(world.access.admin_url, application_name="a long report") as holder:
        holder.execute("SELECT * FROM public.items")
        pid = holder.info.backend_pid
        with pytest.raises(DatabaseFailed) as refused:
            world.push(world.commit(ITEMS, NOTE))
    assert f"backend {pid} (a long report" in refused.value.cause
    assert refused.value.code == "migration.lock"
    assert world.picture() == before


def test_another_migration_runs(world: World) -> None:
    import psycopg

    from gitops_cli.adapters.migrations import advisory

    world.push(world.commit(ITEMS))
    with (
        psycopg.connect(
            world.access.admin_url, autocommit=True, application_name="gitops lock:other"
        ) as other,
        advisory.migrating(other, 1),
        pytest.raises(DatabaseFailed, match=r"another migration.*gitops lock:other"),
    ):
        world.push(world.commit(ITEMS, NOTE))


def test_the_lock_is_waited_for(world: World) -> None:
    import threading

    import psycopg

    world.push(world.commit(ITEMS))
    world.timeouts = Timeouts(lock=60, migration=60, rehearsal=60)
    with psycopg.connect(world.access.admin_url) as holder:
        holder.execute("SELECT * FROM public.items")
        threading.Timer(6.0, holder.rollback).start()
        world.push(world.commit(ITEMS, NOTE))
    assert world.sql("SELECT note FROM items") == []


def test_nothing_of_us_is_in_the_childs_environment(world: World) -> None:
    os.environ["GITOPS_TEST_SECRET"] = "visible"
    try:
        up = "import os\nassert 'GITOPS_TEST_SECRET' not in os.environ and 'HOME' in os.environ"
        world.push(world.commit((up, "pass")))
    finally:
        del os.environ["GITOPS_TEST_SECRET"]
