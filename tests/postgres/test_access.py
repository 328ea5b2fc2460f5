"""Which database and roles an environment gets, and what is said when a database is not to be had."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import psycopg
import pytest

from gitops_cli.adapters.postgres import server, urls
from gitops_cli.adapters.postgres.access import Access, access, app_secret, database_name
from gitops_cli.config.remote import DatabaseAt
from gitops_cli.errors import Unavailable
from tests.support.sessions import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.adapters.home import Home

ATTRIBUTES = (
    "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolinherit, rolcanlogin,"
    " rolconnlimit FROM pg_roles WHERE rolname = %s"
)


def test_roles_have_what_they_need_and_no_more(live: Access) -> None:
    with connect(live.admin_url, application_name="test") as admin:
        assert admin.execute(ATTRIBUTES, (live.migrate_role,)).fetchone() == (*[False] * 5, True, True, 1)
        assert admin.execute(ATTRIBUTES, (live.app_role,)).fetchone() == (*[False] * 5, True, True, -1)
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
        assert admin.execute(owner, (live.name,)).fetchone() == (live.migrate_role,)
        public = "SELECT has_database_privilege('public', datname, p) FROM pg_database, unnest(%s::text[]) p"
        closed = public + " WHERE datname IN (%s, 'postgres', 'template1')"
        rights = admin.execute(closed.encode(), (["CONNECT", "TEMP", "CREATE"], live.name)).fetchall()
        assert set(rights) == {(False,)}


def test_the_app_uses_what_the_migration_made(live: Access) -> None:
    with connect(live.migrate_url, application_name="test") as migration:
        migration.execute("CREATE TABLE t (id serial PRIMARY KEY, a text); CREATE TEMP TABLE guard (x int)")
    secret = app_secret(live)
    assert sorted(secret) == ["host", "name", "password", "port", "url", "user"]
    assert secret["url"].startswith(f"postgresql://{secret['user']}:{secret['password']}@127.0.0.1:")
    with connect(secret["url"], application_name="app") as app:
        app.execute("INSERT INTO t (a) VALUES ('x')")
        assert app.execute("SELECT * FROM t").fetchall() == [(1, "x")]
        assert app.info.host == "127.0.0.1"


def test_one_environment_cannot_enter_another(make: Callable[[], Access]) -> None:
    mine, theirs = make(), make()
    for url in (mine.app_url, mine.migrate_url):
        for name in (theirs.name, "postgres", "template1"):
            with pytest.raises(Unavailable, match="permission denied for database"):
                connect(urls.with_database(url, name), application_name="test")


def test_the_migration_has_one_connection_and_no_files(live: Access) -> None:
    with connect(live.migrate_url, application_name="test") as first:
        with pytest.raises(Unavailable, match="too many connections for role"):
            connect(live.migrate_url, application_name="test")
        for hostile in ("COPY (SELECT 1) TO PROGRAM 'id'", "SELECT pg_read_file('PG_VERSION')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                first.execute(hostile.encode())
            first.rollback()


def test_asked_again_it_is_the_same(home: Home, live: Access) -> None:
    again = access(home, live.environment, "renamed-since", "embedded")
    assert again == live
    assert "postgresql://" not in repr(live)
    assert live.app_password not in repr(live)


@pytest.mark.parametrize("undone", ["DROP ROLE {app}", "DROP DATABASE {name}", "REVOKE {migrate} FROM {app}"])
def test_what_a_kill_left_out_is_made_up_for(home: Home, live: Access, undone: str) -> None:
    with connect(live.maintenance_url, application_name="test", autocommit=True) as admin:
        names = {"app": live.app_role, "migrate": live.migrate_role, "name": live.name}
        admin.execute(undone.format(**names).encode())
    assert access(home, live.environment, "shop", "embedded") == live
    with connect(live.app_url, application_name="app") as app:
        assert app.execute("SELECT 1").fetchone() == (1,)


def test_lost_passwords_are_made_anew(home: Home, live: Access) -> None:
    (home.state / "databases" / f"{live.environment}.json").unlink()
    again = access(home, live.environment, "shop", "embedded")
    assert again.app_url != live.app_url
    for url in (again.app_url, again.migrate_url):
        connect(url, application_name="test").close()


def test_no_password_reaches_the_log(home: Home, live: Access) -> None:
    running = server.ensure(home)
    log = running.log.read_text()
    assert live.app_password not in log
    assert "SCRAM-SHA-256$" not in log


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b-c"), ("a-b", "c")),
        (("shop", "preview/x"), ("shop", "preview-x")),
        (("a_b", "c"), ("a-b", "c")),
        (("p" * 90, "production"), ("p" * 91, "production")),
        (("Shop", "x"), ("shop", "x")),
    ],
)
def test_two_environments_never_share_a_database(one: tuple[str, str], other: tuple[str, str]) -> None:
    names = database_name(*one), database_name(*other)
    assert names[0] != names[1]
    assert all(name.isidentifier() and len(name) <= 55 and name == name.lower() for name in names)


def test_names_are_plain_where_they_can_be() -> None:
    assert database_name("my-shop", "production") == "my_shop_production"
    assert database_name("9lives", "production").startswith("app_9lives_production_")


def test_a_database_elsewhere_is_taken_as_it_is(
    home: Home, live: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DATABASE", f" {live.app_url}\n")
    found = access(home, "foreign", "shop", DatabaseAt("env:SHOP_DATABASE"))
    assert (found.embedded, found.name, found.socket_dir) == (False, live.name, None)
    assert found.app_url == found.migrate_url == live.app_url
    assert app_secret(found) == app_secret(live)
    (home.path / "secrets").mkdir(exist_ok=True)
    (home.path / "secrets" / "url").write_text(live.migrate_url)
    by_socket = access(home, "foreign", "shop", DatabaseAt("file:secrets/url"))
    assert by_socket.socket_dir == live.socket_dir


@pytest.mark.row(76)
@pytest.mark.parametrize(
    "wrong", ["password", "database", "role", "port", "host", "scheme", "nonsense", "empty"]
)
def test_a_wrong_address_is_refused_in_one_sentence(
    home: Home, live: Access, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        password = "hunter2/secret"
        parts = {"user": live.app_role, "password": live.app_password, "name": live.name}
        wrongly = urls.over_tcp("127.0.0.1", live.port, **(parts | {"password": password}))
        right = urls.over_tcp("127.0.0.1", live.port, **parts)
        address, code, says = {
            "password": (
                wrongly,
                "database.password",
                f"the database refuses the password of {live.app_role}",
            ),
            "database": (
                urls.with_database(live.admin_url, "none"),
                "database.missing",
                "there is no database none on that server",
            ),
            "role": (right.replace(live.app_role, "nobody"), "database.password", "password of nobody"),
            "port": (
                right.replace(f":{live.port}/", f":{closed.getsockname()[1]}/"),
                "database.unreachable",
                "refused",
            ),
            "host": (right.replace("127.0.0.1", "host.invalid"), "database.unreachable", "host.invalid"),
            "scheme": (right.replace("postgresql", "mysql"), "database.setting", "begins with postgresql://"),
            "nonsense": (f"postgresql://u:{password}@h:port%/x", "database.setting", "no PostgreSQL URL"),
            "empty": ("", "database.setting", "holds no database address"),
        }[wrong]
        monkeypatch.setenv("SHOP_DATABASE", address)
        with pytest.raises(Unavailable) as refused:
            access(home, "foreign", "shop", DatabaseAt("env:SHOP_DATABASE"))
    assert refused.value.code == code
    assert says in refused.value.cause
    shown = refused.value.sentence()
    assert "\n" not in shown
    assert password not in shown
    assert live.app_password not in shown
    assert "hunter2" not in shown


@pytest.mark.row(76)
def test_an_unreadable_address_names_the_reference(home: Home) -> None:
    with pytest.raises(Unavailable, match="file:secrets/none: No such file"):
        access(home, "foreign", "shop", DatabaseAt("file:secrets/none"))
    assert "SHOP_DATABASE" not in os.environ
    with pytest.raises(Unavailable, match="env:SHOP_DATABASE holds no database address"):
        access(home, "foreign", "shop", DatabaseAt("env:SHOP_DATABASE"))
