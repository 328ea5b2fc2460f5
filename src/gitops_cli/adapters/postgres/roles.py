"""The roles of a database elsewhere, on the server of ours that rehearses for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from gitops_cli.adapters.postgres.live import Live

RESTORER = "gitops_restores"
"""May act as each role that was copied, to create what they own; nobody else's session has that role."""


def copy_roles(admin: psycopg.Connection[Any], live: Live, passwords: Mapping[str, str]) -> None:
    """Make the roles of the foreign server, for owners and grants, and one that may act as each of them.

    Only those with a password may log in; none is a superuser here.
    """
    from psycopg import sql  # noqa: PLC0415 - 90 ms, for releases with a database only

    ours = {row[0] for row in admin.execute("SELECT rolname FROM pg_roles WHERE rolsuper")}
    have = {row[0] for row in admin.execute("SELECT rolname FROM pg_roles")}
    theirs = {*live.roles, live.user} - ours
    for role in sorted({*theirs, RESTORER} - have):
        admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    members = [(member, of) for member, of in live.members if member != of and not {member, of} & ours]
    missing = theirs - {RESTORER} - _may_act_as(admin)
    for member, of in (*members, *((RESTORER, role) for role in sorted(missing))):
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(of), sql.Identifier(member)))
    for role, password in passwords.items():
        verifier = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        admin.execute(
            sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(verifier)
            )
        )


def _may_act_as(admin: psycopg.Connection[Any]) -> set[str]:
    rows = admin.execute(
        "SELECT r.rolname FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid"
        " JOIN pg_roles m ON m.oid = a.member WHERE m.rolname = %s",
        (RESTORER,),
    )
    return {row[0] for row in rows}
