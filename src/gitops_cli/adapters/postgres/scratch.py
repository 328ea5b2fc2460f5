"""A scratch database with the schema of the live one, for the rehearsal.

An environment of the embedded server gets it on the same server, with the same roles. A database
elsewhere is copied to a server of our own, of the same major version where this machine has it: creating
databases over there is not ours to do.

A schema is dumped once: the copy stays as a template named by the schema's fingerprint, and the next
rehearsal of the same schema is one CREATE DATABASE (0.2 s for 500 tables; dump and restore 2 to 5 s).
The live database cannot be the template itself: that fails while anybody is connected to it.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from gitops_cli.adapters.postgres import fingerprint, server, urls
from gitops_cli.adapters.postgres.binaries import Binaries, for_major, installed
from gitops_cli.adapters.postgres.connect import connect, end_backends
from gitops_cli.adapters.postgres.dump import Target, copy_schema
from gitops_cli.adapters.postgres.live import Live, read_live
from gitops_cli.adapters.postgres.place import Place
from gitops_cli.adapters.postgres.roles import RESTORER, copy_roles
from gitops_cli.adapters.text import safe
from gitops_cli.errors import DatabaseFailed, GitopsError

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.postgres.access import Access
    from gitops_cli.adapters.postgres.server import Server

TEMPLATE = "gitops_tpl_"
MAKING = "gitops_new_"
SCRATCH = "gitops_scratch_"
TEMPLATES_KEPT = 6
"""Templates on one server; the oldest goes first."""
_HOLDER = "gitops holds "
"""Application name of the session that lives as long as its scratch database is wanted."""


@dataclass
class Scratch:
    """Use as a context manager: within, the database is there; afterwards it is gone.

    The live database is only read, within the limits of `connect`; its environment's lock should be held.
    """

    home: Home
    access: Access
    seconds: float = 120.0
    """For dump and restore each."""
    lock_timeout: float = 5.0
    """Seconds that reading the live schema may wait behind somebody's lock."""
    name: str = ""
    migrate_url: str = field(default="", repr=False)
    """As the role that will migrate; by Unix socket."""
    admin_url: str = field(default="", repr=False)
    """As superuser: for the catalogues only (see `owned`)."""
    socket_dir: Path | None = None
    major: int = 0
    live: fingerprint.Fingerprint = field(default_factory=fingerprint.Fingerprint)
    """The live schema, as it was copied."""
    warnings: tuple[str, ...] = ()
    hit: bool = False
    """Whether a template was there already."""
    _admin: psycopg.Connection[Any] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        """Make it. Raises `DatabaseFailed`, `StepTimeout`, `Unavailable`."""
        live = read_live(self.access.admin_url, lock_timeout=self.lock_timeout)
        self.live = live.schema
        running, binaries = self._server(live)
        self.socket_dir, self.major = running.socket_dir, running.major
        self.name = f"{SCRATCH}{_mark(self.access.environment)}_{secrets.token_hex(6)}"
        self._admin = connect(running.admin_url, application_name=_HOLDER + self.name, autocommit=True)
        try:
            drop_unheld(self._admin, self.access.environment)
            self.migrate_url = urls.with_database(self._login(running), self.name)
            self.admin_url = urls.with_database(running.admin_url, self.name)
            self._fill(live, running, binaries)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        """Drop it, whoever is still connected."""
        self.close()

    def close(self) -> None:
        """Drop it. Idempotent; what cannot be dropped now is dropped by the next one."""
        admin, self._admin = self._admin, None
        if admin is None:
            return
        try:
            _drop(admin, self.name)
        except Exception:  # noqa: BLE001 - the server has ended all sessions, or is gone
            with suppress(Exception):  # `drop_leftovers` comes by
                self._drop_anew()
        finally:
            admin.close()

    def _drop_anew(self) -> None:
        """Drop it over a new session: a server whose backend was killed takes some when it has recovered."""
        url = urls.with_database(self.admin_url, "postgres")
        with connect(url, application_name="gitops scratch", autocommit=True) as admin:
            _drop(admin, self.name)

    def _server(self, live: Live) -> tuple[Server, Binaries]:
        if self.access.embedded:
            running = server.ensure(self.home)
            return running, for_major(running.major)
        major = self.access.major
        have = installed()
        usable = [found for found in have if found.major == major] or [f for f in have if f.major > major]
        if not usable:
            for_major(major)
        binaries = usable[0]
        if binaries.major != major:
            ours, exact = f"on PostgreSQL {binaries.major}", f"install postgresql-{major} for an exact one"
            self.warnings += (f"the rehearsal runs {ours}, the database is {major}: {exact}",)
        running = server.ensure(self.home, prefer_major=binaries.major, name=f"scratch-{binaries.major}")
        with connect(running.admin_url, application_name="gitops scratch", autocommit=True) as admin:
            passwords = {role: self._password(running, role) for role in (live.user, RESTORER)}
            copy_roles(admin, live, passwords)
        return running, binaries

    def _login(self, running: Server) -> str:
        if self.access.embedded:
            return self.access.migrate_url
        return urls.over_socket(
            running.socket_dir,
            running.port,
            user=self.access.migrate_role,
            password=self._password(running, self.access.migrate_role),
            name=self.name,
        )

    def _password(self, running: Server, role: str) -> str:
        """Give a role's password on our scratch server: the same each time, as two may rehearse."""
        kept = Place(self.home, f"scratch-{running.major}").kept()
        key = kept.password if kept else ""
        return hashlib.blake2b(role.encode(), key=key.encode()[:64], digest_size=24).hexdigest()

    def _fill(self, live: Live, running: Server, binaries: Binaries) -> None:
        assert self._admin is not None  # noqa: S101 - set by the only caller
        owner = self.access.migrate_role
        if live.empty:
            _create(self._admin, self.name, owner=owner, template="template0")
        else:
            template = TEMPLATE + hashlib.sha256(f"{owner} {live.schema.exact}".encode()).hexdigest()[:32]
            self.hit = _exists(self._admin, template)
            if not self.hit:
                self._make_template(template, live, running, binaries)
            _create(self._admin, self.name, owner=owner, template=template)
        live.apply_settings(self._admin, self.name)
        if live.versions is not None and not live.empty:
            self._write_versions(live)

    def _write_versions(self, live: Live) -> None:
        """Write them as the role that migrates: what hangs on that table runs as whoever writes."""
        import psycopg as library  # noqa: PLC0415 - 90 ms, for releases with a database only

        assert self._admin is not None  # noqa: S101 - set by the only caller
        name = f"gitops scratch {self.name}"
        try:
            with connect(self.migrate_url, application_name=name, autocommit=True) as inside:
                live.apply_versions(inside)
        except library.Error as error:
            said = safe(error.diag.message_primary or type(error).__name__, 200)
            raise DatabaseFailed(
                f"the scratch copy does not take the revision: {said}", code="scratch.copy"
            ) from None
        end_backends(self._admin, name)  # the role has one connection, and the rehearsal wants it

    def _make_template(self, template: str, live: Live, running: Server, binaries: Binaries) -> None:
        assert self._admin is not None  # noqa: S101 - set by the only caller
        making = f"{MAKING}{_mark(self.access.environment)}_{secrets.token_hex(6)}"
        self._admin.execute(f"SET application_name = '{_HOLDER}{making}'")
        _create(self._admin, making, owner=self.access.migrate_role, template="template0")
        try:
            target = self._target(making, live, running)
            copy_schema(
                binaries,
                self.access.admin_url,
                target,
                seconds=self.seconds,
                lock_timeout=self.lock_timeout,
                same_server=self.access.embedded,
            )
            self._check_copy(target.admin_url)
            self._admin.execute(f"ALTER DATABASE {making} ALLOW_CONNECTIONS false")
            self._admin.execute(f"ALTER DATABASE {making} RENAME TO {template}")
        except BaseException as error:
            with suppress(Exception):
                _drop(self._admin, making)
            if isinstance(error, GitopsError) or not _exists(self._admin, template):
                raise
        self._admin.execute(f"SET application_name = '{_HOLDER}{self.name}'")
        _trim(self._admin, keep=template)

    def _target(self, name: str, live: Live, running: Server) -> Target:
        """Say as whom the copy is written: the app's role may do what the one that migrates may."""
        role, password = self.access.app_role, self.access.app_password
        owners = {role, self.access.migrate_role}
        if not self.access.embedded:
            role, password = RESTORER, self._password(running, RESTORER)
            owners = {*(live.roles - live.superusers), live.user}
        owner_url = urls.over_socket(
            running.socket_dir, running.port, user=role, password=password, name=name
        )
        return Target(urls.with_database(running.admin_url, name), owner_url, frozenset(owners))

    def _check_copy(self, target: str) -> None:
        """Say so when the copy is not the schema; across major versions it never is, to the letter."""
        if self.major != self.access.major:
            return
        with connect(target, application_name="gitops scratch") as inside:
            found = fingerprint.take(inside)
        differs = fingerprint.difference(self.live, found)
        if differs:
            self.warnings += (f"the scratch copy differs from the database: {differs[0]}",)


def drop_leftovers(home: Home, environment: str) -> int:
    """Drop the scratch databases of killed rehearsals on the servers that run; gives their number."""
    stem = home.database.name
    others = [path.name.removeprefix(f"{stem}-") for path in home.database.parent.glob(f"{stem}-scratch-*")]
    dropped = 0
    for name in ("postgres", *others):
        running = server.status(home, name=name)
        if running is not None:
            with connect(running.admin_url, application_name="gitops scratch", autocommit=True) as admin:
                dropped += drop_unheld(admin, environment)
    return dropped


def drop_unheld(admin: psycopg.Connection[Any], environment: str) -> int:
    """Drop an environment's scratch databases whose holder is gone; gives their number."""
    mark = _mark(environment)
    rows = admin.execute(
        "SELECT d.datname FROM pg_database d WHERE (starts_with(d.datname, %s) OR starts_with(d.datname, %s))"
        " AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = %s || d.datname)",
        (f"{SCRATCH}{mark}_", f"{MAKING}{mark}_", _HOLDER),
    ).fetchall()
    for (name,) in rows:
        _drop(admin, name)
    return len(rows)


def _create(admin: psycopg.Connection[Any], name: str, *, owner: str, template: str) -> None:
    """Create a database that only its owner may enter. WAL_LOG: an fsync per file is slower for schemas."""
    from psycopg import sql  # noqa: PLC0415

    strategy = sql.SQL(" STRATEGY wal_log" if admin.info.server_version >= 150_000 else "")  # noqa: PLR2004
    admin.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
            *map(sql.Identifier, (name, owner, template))
        )
        + strategy
    )
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    from psycopg import sql  # noqa: PLC0415

    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _exists(admin: psycopg.Connection[Any], name: str) -> bool:
    return admin.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def _trim(admin: psycopg.Connection[Any], *, keep: str) -> None:
    rows = admin.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND datname <> %s ORDER BY oid DESC",
        (TEMPLATE, keep),
    ).fetchall()
    for (name,) in rows[TEMPLATES_KEPT - 1 :]:
        with suppress(Exception):  # another rehearsal is copying it
            _drop(admin, name)


def _mark(environment: str) -> str:
    return hashlib.sha256(environment.encode()).hexdigest()[:8]
