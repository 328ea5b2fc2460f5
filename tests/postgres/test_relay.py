"""A database over TCP and TLS, reached through a Unix socket."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from gitops_cli.adapters.files import remove_tree
from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres import server
from gitops_cli.adapters.postgres.access import Access, access
from gitops_cli.adapters.postgres.binaries import installed
from gitops_cli.adapters.postgres.place import Place, server_account
from gitops_cli.adapters.postgres.relay import SOCKET, Relay
from gitops_cli.errors import Unavailable
from tests.support import cluster
from tests.support.sessions import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUBJECT = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]


def test_everything_passes_unchanged(home: Home, live: Access) -> None:
    with Relay(home, live.app_url) as relay:
        assert relay.socket_dir.stat().st_mode & 0o777 == 0o711
        assert live.app_password not in repr(relay.upstream)
        with connect(relay.url, application_name="through") as through:
            assert through.info.host == str(relay.socket_dir)
            through.execute("CREATE TABLE t (a int, b text)")
            big = "x" * 3_000_000
            through.execute("INSERT INTO t VALUES (1, %s)", (big,))
            with through.cursor().copy("COPY t FROM STDIN") as copy:
                for number in range(20_000):
                    copy.write_row((number, "y" * 100))
            assert through.execute("SELECT count(*), max(length(b)) FROM t").fetchone() == (20_001, 3_000_000)
            row = through.execute("SELECT b FROM t WHERE a = 1 AND length(b) > 100").fetchone()
            assert row == (big,)
            assert len(through.execute("SELECT * FROM t").fetchall()) == 20_001
        folder = relay.socket_dir
    assert not folder.exists()
    assert "gitops relay" not in {thread.name for thread in threading.enumerate()}


def sleeps(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    try:
        connection.execute("SELECT pg_sleep(600)")
    except psycopg.errors.QueryCanceled:
        return True
    return False


def test_several_at_once_and_cancel(home: Home, live: Access) -> None:
    with Relay(home, live.app_url) as relay:
        several = [connect(relay.url, application_name=f"c{number}") for number in range(5)]
        pids = {connection.execute("SELECT pg_backend_pid()").fetchone() for connection in several}
        assert len(pids) == 5
        sleeper = threading.Thread(target=lambda: canceled.append(sleeps(several[0])))
        canceled: list[bool] = []
        sleeper.start()
        while not canceled:  # a cancel that comes before the statement does nothing
            several[0].cancel_safe()
            sleeper.join(0.05)
        assert canceled == [True]
        for connection in several:
            connection.close()


def test_a_wrong_password_stays_wrong(home: Home, live: Access) -> None:
    with Relay(home, live.app_url.replace(live.app_password, "wrong")) as relay:
        with pytest.raises(Unavailable) as refused:
            connect(relay.url, application_name="test")
        assert refused.value.code == "database.password"


def test_a_client_that_goes_is_noticed_by_the_server(home: Home, live: Access) -> None:
    with Relay(home, live.app_url) as relay:
        through = connect(relay.url, application_name="gone")
        through.execute("CREATE TABLE t (a int)")
        through.pgconn.send_query(b"SELECT pg_sleep(600)")
        through.pgconn.flush()
        through.close()
        with connect(live.admin_url, application_name="test", autocommit=True, lock_timeout=20) as admin:
            admin.execute("CREATE TABLE t (a int)")  # waits for the name until the other is gone


def test_a_server_that_goes_is_noticed_by_the_client(home: Home, live: Access) -> None:
    with Relay(home, live.app_url) as relay, connect(relay.url, application_name="ended") as through:
        with connect(live.admin_url, application_name="test", autocommit=True) as admin:
            pid = through.execute("SELECT pg_backend_pid()").fetchone()
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", pid)
        with pytest.raises(Exception, match="terminating connection due to administrator command"):
            through.execute("SELECT 1")


def test_the_end_of_the_relay_is_the_end_of_its_connections(home: Home, live: Access) -> None:
    relay = Relay(home, live.app_url)
    with relay:
        through = connect(relay.url, application_name="cut")
        assert (relay.socket_dir / SOCKET).is_socket()
    with pytest.raises(Exception, match=r"closed the connection|server closed|terminat"):
        through.execute("SELECT 1")
    through.close()


def test_nobody_there_is_said_by_the_database_error(home: Home) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with Relay(home, f"postgresql://u:p@127.0.0.1:{closed.getsockname()[1]}/x?sslmode=disable") as relay:
            with pytest.raises(Unavailable, match="refused"):
                connect(relay.url, application_name="test")
            assert "refused" in relay.refused


def test_tls_is_refused_where_there_is_none(home: Home, live: Access) -> None:
    with (
        Relay(home, live.app_url + "?sslmode=require") as relay,
        pytest.raises(Unavailable, match="speaks no TLS"),
    ):
        connect(relay.url, application_name="test")
    with Relay(home, live.app_url + "?sslmode=disable") as relay:
        connect(relay.url, application_name="test").close()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Access, Path]]:
    """A server with TLS, and its certificate. The wheel's is built without, so it is the machine's."""
    machine = [found for found in installed() if not found.wheel]
    if not machine or shutil.which("openssl") is None:
        pytest.skip("no PostgreSQL with TLS, or no openssl, on this machine")
    folder = tmp_path_factory.mktemp("tls")
    with cluster.cluster(folder / "remote", machine[0].major) as home:
        server.stop(home)
        data = Place(home).data
        key, certificate = data / "server.key", data / "server.crt"
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        subprocess.run(
            [*make, "-keyout", key, "-out", certificate, *SUBJECT], check=True, capture_output=True
        )
        key.chmod(0o600)
        for path in (key, certificate):
            shutil.chown(path, server_account().pw_uid, server_account().pw_gid)
        shutil.copyfile(certificate, folder / "root.crt")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("ssl = on\n")
        rules = data / "pg_hba.conf"
        rules.write_text(rules.read_text().replace("\nhost ", "\nhostssl "))
        server.ensure(home)
        yield access(home, "production", "shop", "embedded"), folder / "root.crt"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Home]:
    """Another remote, whose database is the one above."""
    home = Home(tmp_path)
    yield home
    remove_tree(home.runtime())


ENCRYPTED = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.mark.parametrize("mode", ["", "prefer", "require", "verify-ca", "verify-full"])
def test_tls_as_libpq_does_it(secured: tuple[Access, Path], other: Home, mode: str) -> None:
    live, root = secured
    url = live.app_url.replace("127.0.0.1", "localhost")
    if mode:
        url += f"?sslmode={mode}" + (f"&sslrootcert={root}" if mode.startswith("verify") else "")
    with Relay(other, url) as relay, connect(relay.url, application_name="tls") as through:
        assert through.execute(ENCRYPTED).fetchone() == (True, "TLSv1.3")
        through.execute("CREATE TEMP TABLE t (b text)")
        big = "z" * 2_000_000
        through.execute("INSERT INTO t VALUES (%s)", (big,))
        assert through.execute("SELECT b FROM t").fetchone() == (big,)


@pytest.mark.parametrize(
    ("host", "mode", "says"),
    [
        ("127.0.0.1", "verify-full&sslrootcert={root}", "TLS with the database failed"),
        ("localhost", "verify-ca&sslrootcert={other}", "TLS with the database failed"),
        ("localhost", "verify-full&sslrootcert={none}", "cannot be read"),
        ("localhost", "disable", "no pg_hba.conf entry"),
    ],
)
def test_tls_that_cannot_be_trusted_is_refused(
    secured: tuple[Access, Path], other: Home, host: str, mode: str, says: str
) -> None:
    tmp_path = other.path
    live, root = secured
    stranger = tmp_path / "other.crt"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run(
        [*make, "-keyout", tmp_path / "k", "-out", stranger, *SUBJECT], check=True, capture_output=True
    )
    mode = mode.format(root=root, other=stranger, none=tmp_path / "none")
    url = live.app_url.replace("127.0.0.1", host) + f"?sslmode={mode}"
    with Relay(other, url) as relay, pytest.raises(Unavailable, match=says):
        connect(relay.url, application_name="tls")
