"""Rights that restoring needs for a while, where a superuser would need none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitops_cli.adapters.postgres.connect import connect

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_LACKING = """
WITH who AS (SELECT oid, rolname FROM pg_roles WHERE rolname = ANY(%s)),
  place AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
  )
SELECT privilege || ' ON SCHEMA ' || quote_ident(nspname), quote_ident(rolname)
  FROM who, place, unnest('{CREATE,USAGE}'::text[]) privilege
  WHERE NOT has_schema_privilege(who.oid, place.oid, privilege)
UNION ALL
SELECT 'REFERENCES ON TABLE ' || format('%%I.%%I', nspname, relname), quote_ident(rolname)
  FROM who, pg_class c JOIN place ON place.oid = relnamespace
  WHERE relkind IN ('r', 'p') AND NOT has_table_privilege(who.oid, c.oid, 'REFERENCES')
UNION ALL
SELECT 'USAGE ON FOREIGN SERVER ' || quote_ident(srvname), quote_ident(rolname)
  FROM who, pg_foreign_server s WHERE NOT has_server_privilege(who.oid, s.oid, 'USAGE')
"""
"""Who creates something needs its schema, so does the owner it is given to, and a foreign key its table."""


@contextmanager
def opened(admin_url: str, roles: Collection[str]) -> Iterator[None]:
    """Give the roles what they lack in a database; afterwards take back just that.

    After an exception it stays: the database is one that is thrown away then. Raises psycopg's errors.
    """
    with connect(admin_url, application_name="gitops scratch", autocommit=True) as admin:
        lacking = admin.execute(_LACKING, (sorted(roles),)).fetchall()
        for privilege, role in lacking:
            admin.execute(f"GRANT {privilege} TO {role}".encode())
        yield
        for privilege, role in lacking:
            admin.execute(f"REVOKE {privilege} FROM {role}".encode())
