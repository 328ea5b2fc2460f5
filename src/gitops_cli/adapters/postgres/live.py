"""What a rehearsal must know of the live database besides its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.postgres import fingerprint, owned
from gitops_cli.adapters.postgres.blockers import blockers
from gitops_cli.adapters.postgres.connect import connect
from gitops_cli.errors import DatabaseFailed

if TYPE_CHECKING:
    import psycopg

_RESERVED = "^pg_"


@dataclass(frozen=True)
class Live:
    """Schema, revision, settings and roles of the live database."""

    schema: fingerprint.Fingerprint
    empty: bool
    """Nothing but what a new database has."""
    user: str
    """As whom it was read; for a database elsewhere, as whom it is migrated."""
    version_schema: str
    versions: tuple[str, ...] | None
    """What `alembic_version` says; None: there is no such table."""
    settings: tuple[tuple[str, str], ...]
    """`ALTER DATABASE ... SET`: name and value. The zone decides whether a cast rewrites a table."""
    roles: frozenset[str]
    superusers: frozenset[str]
    members: tuple[tuple[str, str], ...]
    """Which role is a member of which."""

    def apply_settings(self, admin: psycopg.Connection[Any], database: str) -> None:
        """Give another database the same settings; one that it does not know is left out."""
        import psycopg as library  # noqa: PLC0415 - 90 ms, for releases with a database only
        from psycopg import sql  # noqa: PLC0415

        for name, value in self.settings:
            # several values are one quoted string in the catalogue, and a list in the statement
            text = sql.Literal(value)
            if name in _LISTS:
                parts = [part.strip().strip('"') for part in value.split(",")]
                text = sql.SQL(", ").join(map(sql.Literal, parts))  # type: ignore[assignment]  # both compose
            statement = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                sql.Identifier(database), sql.SQL(".").join(map(sql.Identifier, name.split("."))), text
            )
            try:
                admin.execute(statement)
            except library.Error:
                continue

    def apply_versions(self, inside: psycopg.Connection[Any]) -> None:
        """Write the revision into a copy's empty version table."""
        from psycopg import sql  # noqa: PLC0415

        table = sql.Identifier(self.version_schema, "alembic_version")
        with inside.transaction():
            inside.execute(sql.SQL("DELETE FROM {}").format(table))
            for version in self.versions or ():
                inside.execute(sql.SQL("INSERT INTO {} (version_num) VALUES (%s)").format(table), (version,))


_LISTS = frozenset({"search_path", "DateStyle", "temp_tablespaces", "local_preload_libraries"})


def read_live(url: str, *, lock_timeout: float) -> Live:
    """Read it, in one transaction that sees one moment. Raises `Unavailable`, `DatabaseFailed`."""
    import psycopg  # noqa: PLC0415 - 90 ms, for releases with a database only

    with connect(url, application_name="gitops rehearsal", lock_timeout=lock_timeout) as live:
        try:
            return _read(live)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            live.rollback()
            who = next(iter(blockers(live)), "nobody holds it any more")
            raise DatabaseFailed(
                f"the schema cannot be read, a lock is held: {who}", code="database.locked"
            ) from None


def _read(live: psycopg.Connection[Any]) -> Live:
    live.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    schema = fingerprint.take(live)
    place, versions = _versions(live)
    settings = live.execute(
        "SELECT split_part(s, '=', 1), substr(s, strpos(s, '=') + 1) FROM pg_db_role_setting,"
        " unnest(setconfig) s WHERE setrole = 0"
        " AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).fetchall()
    roles = live.execute(
        "SELECT rolname, rolsuper FROM pg_roles WHERE rolname !~ %s", (_RESERVED,)
    ).fetchall()
    members = live.execute(
        "SELECT DISTINCT m.rolname, r.rolname FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member"
        " JOIN pg_roles r ON r.oid = a.roleid WHERE m.rolname !~ %(no)s AND r.rolname !~ %(no)s",
        {"no": _RESERVED},
    ).fetchall()
    return Live(
        schema=schema,
        empty=versions is None and _new(schema),
        user=live.info.user,
        version_schema=place,
        versions=versions,
        settings=tuple((str(name), str(value)) for name, value in settings),
        roles=frozenset(str(name) for name, _super in roles),
        superusers=frozenset(str(name) for name, is_super in roles if is_super),
        members=tuple((str(member), str(of)) for member, of in members),
    )


def _versions(live: psycopg.Connection[Any]) -> tuple[str, tuple[str, ...] | None]:
    found = live.execute(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relname = 'alembic_version' AND c.relkind = 'r'"
        " ORDER BY n.nspname <> 'public', n.nspname LIMIT 1"
    ).fetchone()
    if found is None:
        return "", None
    rows = owned.rows(live, str(found[0]), "alembic_version", ["version_num"])
    return str(found[0]), tuple(sorted(str(row[0]) for row in rows))


def _new(schema: fingerprint.Fingerprint) -> bool:
    """Say whether there is only what every new database has; its schema `public` as nobody changed it."""
    rows = dict.fromkeys((kind, name) for kind, name, _definition in schema.rows)
    public = [definition for kind, name, definition in schema.rows if (kind, name) == ("schema", "public")]
    default = '["pg_database_owner",["=U/pg_database_owner","pg_database_owner=UC/pg_database_owner"]]'
    return set(rows) == {("schema", "public"), ("extension", "plpgsql")} and public == [default]
