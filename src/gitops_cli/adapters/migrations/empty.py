"""Taking back the first release into an empty database: make it empty again. No pushed code takes part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.migrations import schemas
from gitops_cli.adapters.postgres import fingerprint
from gitops_cli.errors import Stuck

if TYPE_CHECKING:
    import psycopg

    from gitops_cli.adapters.home import Home

_STEPS = """
SELECT format('DROP EVENT TRIGGER IF EXISTS %I CASCADE', evtname) FROM pg_event_trigger;
SELECT format('DROP PUBLICATION IF EXISTS %I', pubname) FROM pg_publication;
SELECT format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_extension WHERE extname <> 'plpgsql';
SELECT format('DROP SCHEMA IF EXISTS %I CASCADE', nspname) FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public');
SELECT format('DROP %s IF EXISTS %s CASCADE', CASE relkind WHEN 'v' THEN 'VIEW'
    WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'S' THEN 'SEQUENCE'
    WHEN 'c' THEN 'TYPE'
    ELSE 'TABLE' END, oid::regclass)
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
    AND NOT relispartition ORDER BY relkind = 'S';
SELECT format('DROP %s IF EXISTS %s CASCADE', CASE prokind WHEN 'a' THEN 'AGGREGATE' WHEN 'p' THEN 'PROCEDURE'
    ELSE 'FUNCTION' END, oid::regprocedure) FROM pg_proc WHERE pronamespace = 'public'::regnamespace;
SELECT format('DROP %s IF EXISTS %s CASCADE', CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END,
    oid::regtype) FROM pg_type
  WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd', 'r', 'b') AND typelem = 0;
SELECT format('DROP COLLATION IF EXISTS public.%I CASCADE', collname) FROM pg_collation
  WHERE collnamespace = 'public'::regnamespace
"""


def make_empty(admin: psycopg.Connection[Any], home: Home, before: str) -> None:
    """Drop everything in one transaction that commits only if the schema is as it was. Raises `Stuck`."""
    with admin.transaction():
        admin.execute("SET LOCAL lock_timeout = '10s'")
        for query in _STEPS.split(";"):
            for (statement,) in admin.execute(query.encode()).fetchall():
                admin.execute(str(statement).encode())
        now = fingerprint.take(admin)
        if now.digest != before:
            raise Stuck(
                f"the database cannot be made empty again: {schemas.shown(home, before, now)}".rstrip(": "),
                code="migration.undo",
                next_command="gitops recover",
            )
