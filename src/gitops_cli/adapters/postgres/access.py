"""Which database an environment has, and as whom its migrations and its app log in.

For the embedded server everything is made here: a database and two roles. `<name>_migrate` owns the
database, is no superuser and has one connection; `<name>_app` is a member of it. A database elsewhere is
the operator's: its URL is read from his file or variable and serves for all.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from gitops_cli.adapters.files import read_or_none, write_atomic
from gitops_cli.adapters.home import Home, file_name
from gitops_cli.adapters.postgres import server, urls
from gitops_cli.adapters.postgres.connect import connect
from gitops_cli.adapters.postgres.place import locked
from gitops_cli.errors import Bug, Unavailable

if TYPE_CHECKING:
    import psycopg

    from gitops_cli.config.remote import DatabaseAt

_URL_LIMIT = 4096
_NAME_LIMIT = 63 - len("_migrate")
_LOCK_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach the database of an environment. Its URLs hold passwords and are in no `repr`."""

    environment: str
    name: str
    """The database."""
    embedded: bool
    major: int
    """Of the server."""
    migrate_role: str
    app_role: str
    socket_dir: Path | None
    """The folder of the server's Unix socket; None: reached over TCP, so a cage needs a `Relay`."""
    host: str
    port: int
    admin_url: str = field(repr=False)
    """The environment's database as superuser; for a database elsewhere as whom the operator names."""
    migrate_url: str = field(repr=False)
    """By Unix socket where the server has one."""
    app_url: str = field(repr=False)
    """What the app gets: by TCP for the embedded server."""
    app_password: str = field(repr=False)

    @property
    def maintenance_url(self) -> str:
        """The embedded server's database `postgres`, as superuser: for CREATE and DROP DATABASE."""
        return urls.with_database(self.admin_url, "postgres")


class _Passwords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of an environment's database. The name stays, whatever the project calls itself later."""

    name: str
    migrate: str
    app: str


def access(
    home: Home, environment: str, project: str, setting: Literal["embedded", "none"] | DatabaseAt
) -> Access:
    """Give the way to an environment's database, making what is missing. Raises `Unavailable`.

    `setting` is `database` of `remote.yaml`; with `none` there is nothing to ask for.
    """
    if setting == "none":
        raise Bug(f"environment {environment} has no database", code="database.none")
    if setting == "embedded":
        return _embedded(home, environment, project)
    return _elsewhere(home, environment, setting.url)


def kept_name(home: Home, environment: str) -> str:
    """Name the embedded database that was made for an environment; "" for none. Raises `Unavailable`."""
    kept = _kept(home, environment)
    return kept.name if kept is not None else ""


def app_secret(found: Access) -> dict[str, str]:
    """Give the secret `database` as manifests refer to it."""
    return {
        "url": found.app_url,
        "host": found.host,
        "port": str(found.port),
        "user": found.app_role,
        "password": found.app_password,
        "name": found.name,
    }


def database_name(project: str, environment: str) -> str:
    """Name an environment's database: lower case, digits and underscores, at most 55 characters.

    A name that had to be changed or cut gets eight characters of a hash, so that two never meet.
    """
    name = re.sub(r"[^a-z0-9_]", "_", f"{project}_{environment}".lower())
    plain = re.fullmatch(r"[a-z][a-z0-9-]*", project) and re.fullmatch(r"[a-z0-9]+", environment)
    if plain and len(name) <= _NAME_LIMIT:
        return name
    if not re.match(r"[a-z]", name):
        name = f"app_{name}"
    mark = hashlib.sha256(f"{project}\n{environment}".encode()).hexdigest()[:8]
    return f"{name[: _NAME_LIMIT - 9]}_{mark}"


def _embedded(home: Home, environment: str, project: str) -> Access:
    running = server.ensure(home)
    with locked(home.state / "databases" / f"{file_name(environment)}.lock", _LOCK_SECONDS):
        kept, new = _passwords(home, environment, project)
        with connect(running.admin_url, application_name="gitops access", autocommit=True) as admin:
            _make(admin, kept, new=new)
    folder, port, name = running.socket_dir, running.port, kept.name
    app, migrate = f"{name}_app", f"{name}_migrate"
    return Access(
        environment=environment,
        name=name,
        embedded=True,
        major=running.major,
        migrate_role=migrate,
        app_role=app,
        socket_dir=folder,
        host="127.0.0.1",
        port=port,
        admin_url=urls.with_database(running.admin_url, name),
        migrate_url=urls.over_socket(folder, port, user=migrate, password=kept.migrate, name=name),
        app_url=urls.over_tcp("127.0.0.1", port, user=app, password=kept.app, name=name),
        app_password=kept.app,
    )


def _passwords(home: Home, environment: str, project: str) -> tuple[_Passwords, bool]:
    """Read what is kept, or make it and say so."""
    kept = _kept(home, environment)
    if kept is not None:
        return kept, False
    kept = _Passwords(
        database_name(project, environment), secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    )
    write_atomic(_place(home, environment), msgspec.json.encode(kept))
    return kept, True


def _kept(home: Home, environment: str) -> _Passwords | None:
    path = _place(home, environment)
    data = read_or_none(path)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=_Passwords)
    except msgspec.MsgspecError:
        raise Unavailable(f"{path} is damaged", code="database.state") from None


def _place(home: Home, environment: str) -> Path:
    return home.state / "databases" / f"{file_name(environment)}.json"


def _make(admin: psycopg.Connection[Any], kept: _Passwords, *, new: bool) -> None:
    """Make roles and database as far as they are missing; a kill in between leaves the rest for next time."""
    from psycopg import sql  # noqa: PLC0415 - 90 ms, for releases with a database only

    migrate, app = f"{kept.name}_migrate", f"{kept.name}_app"
    roles = {
        row[0]
        for row in admin.execute("SELECT rolname FROM pg_roles WHERE rolname IN (%s, %s)", (migrate, app))
    }
    limits = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT"
    for role, password, limit in ((migrate, kept.migrate, 1), (app, kept.app, -1)):
        if role in roles and not new:
            continue
        word = "ALTER" if role in roles else "CREATE"
        # the verifier, not the password: a statement that fails is in the server's log
        verifier = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        admin.execute(
            sql.SQL(f"{word} ROLE {{}} {limits} {limit} PASSWORD {{}}").format(
                sql.Identifier(role), sql.Literal(verifier)
            )
        )
    # asked each time: a kill may have come between the role and its membership
    member = admin.execute("SELECT pg_has_role(%s, %s, 'MEMBER')", (app, migrate)).fetchone()
    if member != (True,):
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(migrate), sql.Identifier(app)))
    if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (kept.name,)).fetchone() is None:
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
                sql.Identifier(kept.name), sql.Identifier(migrate)
            )
        )
    closed = "SELECT datname FROM pg_database WHERE datname IN ('postgres', 'template1', %s)"
    for (name,) in admin.execute(
        f"{closed} AND has_database_privilege('public', oid, 'CONNECT')", (kept.name,)
    ):
        admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def _elsewhere(home: Home, environment: str, reference: str) -> Access:
    url = read_url(home, reference)
    with connect(url, application_name="gitops access", autocommit=True) as connection:
        info = connection.info
        over_socket = info.host.startswith("/")
        return Access(
            environment=environment,
            name=info.dbname,
            embedded=False,
            major=info.server_version // 10_000,
            migrate_role=info.user,
            app_role=info.user,
            socket_dir=Path(info.host) if over_socket else None,
            host=info.host,
            port=info.port,
            admin_url=url,
            migrate_url=url,
            app_url=url,
            app_password=info.password or "",
        )


def read_url(home: Home, reference: str) -> str:
    """Read the URL that `file:PATH` (beside remote.yaml) or `env:NAME` refers to. Raises `Unavailable`."""
    kind, _, rest = reference.partition(":")
    url = ""
    if kind == "env":
        url = os.environ.get(rest, "")
    elif kind == "file":
        path = home.path / rest
        try:
            with path.open("rb") as file:
                url = file.read(_URL_LIMIT + 1).decode("utf-8", "replace")
        except OSError as error:
            raise Unavailable(
                f"the database's address cannot be read from {reference}: {error.strerror}",
                code="database.setting",
            ) from None
    url = url.strip()
    if not url or len(url) > _URL_LIMIT or not url.isprintable():
        raise Unavailable(
            f"{reference} holds no database address", code="database.setting", file=home.config.name
        )
    if not url.startswith(("postgresql://", "postgres://")):
        raise Unavailable(
            f"{reference} holds no address that begins with postgresql://", code="database.setting"
        )
    return url
