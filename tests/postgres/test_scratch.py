"""A scratch database has the live one's schema, and it is gone afterwards, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from gitops_cli.adapters.postgres import fingerprint, server, urls
from gitops_cli.adapters.postgres.access import Access, access
from gitops_cli.adapters.postgres.binaries import installed
from gitops_cli.adapters.postgres.scratch import SCRATCH, TEMPLATE, TEMPLATES_KEPT, Scratch, drop_leftovers
from gitops_cli.config.remote import DatabaseAt
from gitops_cli.errors import DatabaseFailed
from tests.postgres.test_fingerprint import SCHEMA
from tests.support.sessions import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.adapters.home import Home

VERSION = """
CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY);
INSERT INTO alembic_version VALUES ('abc123');
CREATE SCHEMA gitops; CREATE TABLE gitops.ledger (a int);
"""
HOLD = """
import sys
from pathlib import Path
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres.access import access
from gitops_cli.adapters.postgres.scratch import Scratch
home = Home(Path(sys.argv[1]))
with Scratch(home, access(home, sys.argv[2], "shop", "embedded")) as scratch:
    print(scratch.name, flush=True)
    sys.stdin.read()
"""


def databases(found: Access, prefix: str) -> list[str]:
    with connect(found.maintenance_url, application_name="test") as admin:
        rows = admin.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (prefix,))
        return sorted(row[0] for row in rows)


def filled(found: Access) -> fingerprint.Fingerprint:
    with connect(found.migrate_url, application_name="test") as live:
        live.execute(SCHEMA)
        live.execute(VERSION)
        live.execute(f"GRANT SELECT ON parent TO {found.app_role}".encode())
        return fingerprint.take(live)


def test_empty_database_needs_no_dump(home: Home, live: Access) -> None:
    with Scratch(home, live) as scratch:
        assert scratch.live.rows
        assert (scratch.hit, scratch.warnings, scratch.major) == (False, (), live.major)
        with connect(scratch.migrate_url, application_name="test") as copy:
            assert fingerprint.take(copy) == scratch.live
            copy.execute("CREATE TABLE t (a int)")
            assert copy.info.user == live.migrate_role
        name = scratch.name
        assert databases(live, name) == [name]
    assert databases(live, name) == []


def test_copy_equals_the_live_schema_and_is_kept_as_a_template(home: Home, live: Access) -> None:
    others = set(databases(live, TEMPLATE))
    schema = filled(live)
    with connect(live.migrate_url, application_name="test") as connection:
        connection.execute("INSERT INTO spare VALUES (1, 2)")
        connection.execute(f"ALTER DATABASE {live.name} SET TimeZone = 'Asia/Kolkata'".encode())
        connection.execute(f"ALTER DATABASE {live.name} SET search_path = public, aside".encode())
    hits = []
    for _ in range(2):
        with Scratch(home, live) as scratch:
            hits.append(scratch.hit)
            assert scratch.warnings == ()
            with connect(scratch.migrate_url, application_name="test") as copy:
                assert fingerprint.take(copy) == schema
                assert copy.execute("TABLE alembic_version").fetchall() == [("abc123",)]
                assert copy.execute("SELECT count(*) FROM spare").fetchone() == (0,)
                assert copy.execute("SHOW TimeZone").fetchone() == ("Asia/Kolkata",)
                path = "SELECT reset_val FROM pg_settings WHERE name = 'search_path'"
                assert copy.execute(path).fetchone() == ("public, aside",)
                assert copy.execute("SELECT to_regclass('gitops.ledger')").fetchone() == (None,)
                copy.execute("ALTER TABLE parent DROP COLUMN body; DROP TABLE child")
    assert hits == [False, True]
    (template,) = set(databases(live, TEMPLATE)) - others
    with pytest.raises(Exception, match="not currently accepting connections"):
        connect(urls.with_database(live.admin_url, template), application_name="test")


def test_the_live_database_may_be_in_use(home: Home, live: Access) -> None:
    filled(live)
    with connect(live.app_url, application_name="app") as app:
        app.execute("SELECT * FROM parent")
        with Scratch(home, live) as scratch:
            assert scratch.warnings == ()


def test_two_rehearsals_at_once(home: Home, make: Callable[[], Access]) -> None:
    one, other = make(), make()
    filled(one)
    with Scratch(home, one) as first, Scratch(home, one) as second, Scratch(home, other) as third:
        assert len({first.name, second.name, third.name}) == 3
        assert set(databases(one, SCRATCH)) >= {first.name, second.name, third.name}


def test_it_is_dropped_when_the_rehearsal_fails_with_sessions_open(home: Home, live: Access) -> None:
    scratch = Scratch(home, live)
    stays = []

    def rehearse() -> None:
        with scratch:
            stays.append(connect(scratch.migrate_url, application_name="test"))
            stays[0].execute("CREATE TABLE t (a int)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        rehearse()
    stays[0].close()
    assert scratch.name
    assert databases(live, scratch.name) == []


def test_killed_rehearsal_is_tidied_up_and_a_living_one_is_not(home: Home, live: Access) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.path), live.environment],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout is not None
    name = holder.stdout.readline().strip()
    assert databases(live, name) == [name]
    assert drop_leftovers(home, live.environment) == 0
    assert databases(live, name) == [name]
    backend = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
    with connect(live.maintenance_url, application_name="test", autocommit=True) as admin:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
        while admin.execute(backend, (f"gitops holds {name}",)).fetchone():
            pass
    assert drop_leftovers(home, live.environment + "x") == 0
    assert drop_leftovers(home, live.environment) == 1
    assert databases(live, name) == []


def test_templates_are_bounded(home: Home, live: Access) -> None:
    for number in range(TEMPLATES_KEPT + 2):
        with connect(live.migrate_url, application_name="test") as connection:
            connection.execute(f"CREATE TABLE t{number} (a int)".encode())
        with Scratch(home, live) as scratch:
            assert not scratch.hit
    assert len(databases(live, TEMPLATE)) == TEMPLATES_KEPT
    with Scratch(home, live) as scratch:
        assert scratch.hit


@pytest.mark.row(75)
def test_a_locked_table_ends_the_copy_in_one_sentence(home: Home, live: Access) -> None:
    filled(live)
    with connect(live.app_url, application_name="holder") as holder:
        holder.execute("LOCK TABLE parent IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseFailed) as refused, Scratch(home, live, lock_timeout=0.2):
            pass
    assert refused.value.code == "database.locked"
    assert "(holder, user " in refused.value.cause
    assert "AccessExclusiveLock on public.parent" in refused.value.cause
    assert databases(live, SCRATCH) == []


def test_a_database_elsewhere_is_copied_to_a_server_of_ours(
    home: Home, live: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = filled(live)
    with connect(live.admin_url, application_name="test", autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {live.migrate_role} CONNECTION LIMIT 9".encode())
    url = urls.over_tcp(
        "127.0.0.1",
        live.port,
        user=live.migrate_role,
        password=urlsplit(live.migrate_url).password or "",
        name=live.name,
    )
    monkeypatch.setenv("SHOP_DATABASE", url)
    foreign = access(home, "foreign", "shop", DatabaseAt("env:SHOP_DATABASE"))
    with Scratch(home, foreign) as scratch:
        assert (scratch.warnings, scratch.major) == ((), live.major)
        ours = server.status(home, name=f"scratch-{live.major}")
        assert ours is not None
        assert scratch.socket_dir == ours.socket_dir != live.socket_dir
        with connect(scratch.migrate_url, application_name="test") as copy:
            assert fingerprint.take(copy) == schema
            assert copy.execute("TABLE alembic_version").fetchall() == [("abc123",)]
            assert copy.info.user == live.migrate_role
            copy.execute("DROP TABLE child")
    assert databases(live, SCRATCH) == []
    with Scratch(home, foreign) as scratch:
        assert scratch.hit


def test_another_major_version_is_said(home: Home, live: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = [found for found in installed() if found.major > live.major]
    if not newer:
        pytest.skip("no PostgreSQL newer than this server's is on this machine")
    monkeypatch.setattr("gitops_cli.adapters.postgres.scratch.installed", lambda: newer)
    filled(live)
    monkeypatch.setenv("SHOP_DATABASE", live.app_url)
    foreign = access(home, "foreign", "shop", DatabaseAt("env:SHOP_DATABASE"))
    with Scratch(home, foreign) as scratch:
        assert scratch.major == newer[0].major
        (warning,) = scratch.warnings
        assert f"the rehearsal runs on PostgreSQL {newer[0].major}, the database is {live.major}" in warning
