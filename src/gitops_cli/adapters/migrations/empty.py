"""Taking back the first release into an empty database: make it empty again. No pushed code takes part.

Empty is what it was before: an operator may have prepared schemas and extensions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.migrations import schemas
from gitops_cli.adapters.postgres import fingerprint
from gitops_cli.errors import Stuck

if TYPE_CHECKING:
    import psycopg

    from gitops_cli.adapters.home import Home

_STEPS = """
SELECT format('DROP EVENT TRIGGER IF EXISTS %%I CASCADE', evtname) FROM pg_event_trigger e
  WHERE NOT {member:pg_event_trigger:e};
SELECT format('DROP PUBLICATION IF EXISTS %%I', pubname) FROM pg_publication;
SELECT format('DROP EXTENSION IF EXISTS %%I CASCADE', extname) FROM pg_extension
  WHERE extname <> ALL (%(extensions)s);
SELECT format('DROP SCHEMA IF EXISTS %%I CASCADE', nspname) FROM pg_namespace n
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND nspname <> ALL (%(schemas)s)
    AND NOT {member:pg_namespace:n};
SELECT format('DROP %%s IF EXISTS %%s CASCADE', CASE relkind WHEN 'v' THEN 'VIEW'
    WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE'
    WHEN 'c' THEN 'TYPE'
    ELSE 'TABLE' END, oid::regclass)
  FROM pg_class c WHERE {kept:relnamespace} AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
    AND NOT relispartition AND NOT {member:pg_class:c} ORDER BY relkind = 'S';
SELECT format('DROP %%s IF EXISTS %%s CASCADE', CASE prokind WHEN 'a' THEN 'AGGREGATE'
    WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, oid::regprocedure)
  FROM pg_proc p WHERE {kept:pronamespace} AND NOT {member:pg_proc:p};
SELECT format('DROP %%s IF EXISTS %%s CASCADE', CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END,
    oid::regtype)
  FROM pg_type t WHERE {kept:typnamespace} AND typtype IN ('e', 'd', 'r', 'b') AND typelem = 0
    AND NOT {member:pg_type:t};
SELECT format('DROP COLLATION IF EXISTS %%s CASCADE', oid::regcollation)
  FROM pg_collation l WHERE {kept:collnamespace} AND NOT {member:pg_collation:l}
"""
_PART = re.compile(r"\{(member|kept):([a-z_]+)(?::([a-z]))?\}")


def make_empty(admin: psycopg.Connection[Any], home: Home, before: str) -> None:
    """Drop everything but what was there before (schemas, extensions), in one transaction.

    It commits only if the schema is as it was. Raises `Stuck`.
    """
    old = schemas.known(home, before)
    names = [(kind, name) for kind, name, _ in old.rows] if old else []
    there = {
        "extensions": ["plpgsql", *(name for kind, name in names if kind == "extension")],
        "schemas": ["public", *(name for kind, name in names if kind == "schema")],
    }
    with admin.transaction():
        admin.execute("SET LOCAL lock_timeout = '10s'")
        for query in _PART.sub(_condition, _STEPS).split(";"):
            for (statement,) in admin.execute(query.encode(), there).fetchall():
                admin.execute(str(statement).encode())
        now = fingerprint.take(admin)
        if now.digest != before:
            raise Stuck(
                f"the database cannot be made empty again: {schemas.shown(home, before, now)}".rstrip(": "),
                code="migration.undo",
                next_command="gitops recover",
            )


def _condition(match: re.Match[str]) -> str:
    """Write what many steps ask: does it stand in a schema that stays, does it belong to an extension."""
    what, name, table = match.groups()
    if what == "kept":
        return f"{name} IN (SELECT oid FROM pg_namespace WHERE nspname = ANY (%(schemas)s))"  # noqa: S608
    members = "SELECT FROM pg_depend WHERE deptype = 'e' AND classid = "
    return f"EXISTS ({members}'{name}'::regclass AND objid = {table}.oid)"
