"""Lost answers, dead clients, locks: what became of it, and who is in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from gitops_cli.adapters.postgres import connect as ours
from gitops_cli.adapters.postgres import server
from gitops_cli.adapters.postgres.access import Access, access
from gitops_cli.adapters.postgres.blockers import blockers
from gitops_cli.adapters.postgres.connect import end_backends
from gitops_cli.adapters.postgres.outcome import transaction_outcome
from gitops_cli.errors import DatabaseFailed
from tests.support import cluster
from tests.support.sessions import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RELEASE = "gitops:0123456789abcdef"
MIGRATE = """
import sys
from gitops_cli.adapters.postgres.connect import connect
migration = connect(sys.argv[1], application_name=sys.argv[2])
migration.execute("CREATE TABLE public.made (a int)")
print(migration.execute("SELECT pg_current_xact_id()::text").fetchone()[0], flush=True)
migration.execute(sys.argv[3])
migration.commit()
print("committed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def admin(live: Access) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with connect(live.admin_url, application_name="admin", autocommit=True) as connection:
        yield connection


def migrating(live: Access, statement: str) -> tuple[subprocess.Popen[str], str]:
    """Start a client that migrates in one transaction; gives it and its transaction's number."""
    client = subprocess.Popen(
        [sys.executable, "-c", MIGRATE, live.migrate_url, RELEASE, statement],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert client.stdout is not None
    return client, client.stdout.readline().strip()


def tables(admin: psycopg.Connection[tuple[object, ...]]) -> int:
    row = admin.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'made'").fetchone()
    assert row is not None
    return int(str(row[0]))


@pytest.mark.row(73)
def test_committed_and_the_client_killed_before_it_said_so(
    live: Access, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    client, xid = migrating(live, "SELECT 1")
    assert client.stdout is not None
    assert client.stdout.readline() == "committed\n"
    client.kill()
    client.communicate()
    end_backends(admin, RELEASE)
    assert transaction_outcome(admin, xid) == "committed"
    assert tables(admin) == 1


@pytest.mark.row(73)
@pytest.mark.parametrize("killer", [signal.SIGKILL, None], ids=["client killed", "backend terminated"])
def test_a_dead_migration_is_ended_before_anybody_looks(
    live: Access, admin: psycopg.Connection[tuple[object, ...]], killer: signal.Signals | None
) -> None:
    client, xid = migrating(live, "SELECT count(*) FROM generate_series(1, 100000000000)")
    assert transaction_outcome(admin, xid) == "in progress"
    if killer is not None:
        client.send_signal(killer)
        client.communicate()
        assert end_backends(admin, RELEASE) in (0, 1)  # the server may have noticed first
    else:
        assert end_backends(admin, RELEASE) == 1
        assert "AdminShutdown" in client.communicate()[1]
    assert transaction_outcome(admin, xid) == "aborted"
    assert tables(admin) == 0
    assert end_backends(admin, RELEASE) == 0
    with connect(live.migrate_url, application_name=RELEASE) as again:  # its one connection is free
        again.execute("CREATE TABLE made (a int)")


@pytest.mark.row(73)
def test_the_server_notices_a_killed_client_by_itself(
    live: Access, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    """Without the check interval the statement runs on to its end and its locks with it."""
    client, xid = migrating(live, "SELECT count(*) FROM generate_series(1, 100000000000)")
    client.kill()
    client.communicate()
    admin.execute("SET statement_timeout = '20s'")
    admin.execute("SET lock_timeout = '20s'")
    admin.execute("CREATE TABLE made (a int)")  # waits for the name until the other is gone
    assert transaction_outcome(admin, xid) == "aborted"


@pytest.mark.row(73)
def test_server_killed_in_a_transaction(tmp_path: Path) -> None:
    with cluster.cluster(tmp_path / "remote") as home:
        live = access(home, "production", "shop", "embedded")
        client, xid = migrating(live, "SELECT pg_sleep(600)")
        os.kill(server.ensure(home).pid, signal.SIGKILL)
        said = client.communicate()[1]
        assert "OperationalError" in said or "AdminShutdown" in said  # of a session that was not asleep yet
        again = access(home, "production", "shop", "embedded")
        assert again == live
        with connect(again.admin_url, application_name="admin", autocommit=True) as admin:
            assert transaction_outcome(admin, xid) == "aborted"
            assert tables(admin) == 0


def test_outcome_of_what_never_was(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    assert transaction_outcome(admin, 2**40 + 5) == "aborted"
    assert transaction_outcome(admin, 3) in ("unknown", "committed")


def test_ends_by_exact_name_or_by_prefix(live: Access, admin: psycopg.Connection[tuple[object, ...]]) -> None:
    name = "gitops:" + "x" * 80  # the server cuts it at 63
    with connect(live.app_url, application_name=name) as long:
        assert end_backends(admin, "gitops:x") == 0
        assert end_backends(admin, name) == 1
        assert long.info.backend_pid
    with connect(live.app_url, application_name=f"{RELEASE}:2"):
        assert end_backends(admin, f"{RELEASE}:") == 0
        assert end_backends(admin, f"{RELEASE}:", prefix=True) == 1
    assert admin.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.row(75)
def test_lock_timeout_says_who_holds_it(live: Access, admin: psycopg.Connection[tuple[object, ...]]) -> None:
    with connect(live.migrate_url, application_name="before") as before:
        before.execute("CREATE TABLE orders (a int); CREATE TABLE other (a int)")
    with (
        connect(live.app_url, application_name="report\x1b[31m") as reader,
        connect(live.app_url, application_name="elsewhere") as bystander,
    ):
        reader.execute("SELECT * FROM orders WHERE 'secret value' = 'secret value'")
        bystander.execute("SELECT * FROM other")
        with connect(live.migrate_url, application_name=RELEASE, lock_timeout=0.1) as migration:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                migration.execute("ALTER TABLE orders ADD b int")
            migration.rollback()
            (line,) = blockers(admin, without=RELEASE, tables=["public.orders"])
            assert len(blockers(admin, without=RELEASE)) == 2
            (seen,) = blockers(migration, tables=["public.orders"])
    assert line.startswith("backend ")
    assert f"user {live.app_role}" in line
    assert "idle in transaction" in line
    assert line.endswith("holds AccessShareLock on public.orders")
    assert "state not shown to us" in seen  # a role sees the state of its own sessions only
    assert "secret" not in line
    assert "\x1b" not in line
    assert blockers(admin) == ()


@pytest.mark.row(75)
def test_a_waiting_migration_knows_exactly_who_blocks_it(
    live: Access, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    with connect(live.migrate_url, application_name="before") as before:
        before.execute("CREATE TABLE made (a int)")
    with connect(live.app_url, application_name="reader") as reader:
        reader.execute("SELECT * FROM made")
        migration = connect(live.migrate_url, application_name=RELEASE, lock_timeout=20)
        pid = migration.info.backend_pid
        migration.pgconn.send_query(b"ALTER TABLE made ADD b int")
        migration.pgconn.flush()
        waits = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
        while admin.execute(waits, (pid,)).fetchone() is None:
            pass
        (line,) = blockers(admin, waiting=pid)
        assert "(reader, user" in line
        end_backends(admin, RELEASE)
        migration.close()


def test_limits_are_set_on_every_connection(live: Access) -> None:
    with ours.connect(
        live.migrate_url, application_name="t", statement_timeout=7, lock_timeout=0.5, idle_timeout=9
    ) as connection:
        names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
        names += ["client_connection_check_interval", "application_name", "search_path"]
        found = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in names]
        assert found == [("7s",), ("500ms",), ("9s",), ("1s",), ("t",), ("pg_catalog, pg_temp",)]
        assert not connection.autocommit


def test_a_backend_that_does_not_end_is_named(
    live: Access, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    with connect(live.app_url, application_name=RELEASE) as stubborn:
        row = admin.execute(
            "SELECT pid FROM pg_stat_activity WHERE pid = %s", (stubborn.info.backend_pid,)
        ).fetchone()
        assert row is not None
        pid = int(str(row[0]))
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(DatabaseFailed, match=f"backend {pid}") as refused:
                end_backends(admin, RELEASE, seconds=0.2)
            assert refused.value.code == "database.backend"
        finally:
            os.kill(pid, signal.SIGCONT)
