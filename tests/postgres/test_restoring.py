"""As whom the scratch copy is written: what the operator prepared arrives too, and names are only names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.postgres import contents, fingerprint
from gitops_cli.adapters.postgres.access import access
from gitops_cli.adapters.postgres.scratch import Scratch
from gitops_cli.config.remote import DatabaseAt
from gitops_cli.errors import DatabaseFailed
from tests.support.sessions import connect

if TYPE_CHECKING:
    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.postgres.access import Access

PREPARED = """
CREATE SCHEMA tools;
CREATE EXTENSION pg_trgm SCHEMA tools;
COMMENT ON EXTENSION pg_trgm IS 'prepared';
CREATE TABLE tools.colours (name text PRIMARY KEY);
CREATE FUNCTION tools.raw(text) RETURNS text LANGUAGE internal IMMUTABLE STRICT AS 'upper';
GRANT USAGE ON SCHEMA tools TO {migrate};
GRANT REFERENCES, SELECT ON tools.colours TO {migrate} WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA tools GRANT SELECT ON TABLES TO {app};
CREATE SCHEMA aside; CREATE TYPE aside.size AS ENUM ('s', 'l'); GRANT USAGE ON SCHEMA aside TO {migrate};
CREATE FUNCTION tools.watched() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
"""
OURS = """
CREATE TABLE cars (id int PRIMARY KEY, colour text REFERENCES tools.colours, size aside.size,
  w text CHECK (tools.raw(w) > ''));
GRANT SELECT ON tools.colours TO {app};
CREATE SCHEMA "ACL"; CREATE SCHEMA "COMMENT";
CREATE TABLE "ACL".items (price int DEFAULT 1, "a
line; 2615 1 SCHEMA - x {super}" int DEFAULT 2);
CREATE TABLE "COMMENT"."x {super}" (a int); COMMENT ON TABLE "COMMENT"."x {super}" IS 'E';
CREATE TABLE parted (a int) PARTITION BY LIST (a); CREATE TABLE part PARTITION OF parted FOR VALUES IN (1);
CREATE INDEX ON parted (a);
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {app};
"""
THEIRS = """
CREATE VIEW tools.red AS SELECT id FROM public.cars WHERE colour = 'red';
CREATE TABLE tools.drivers (car int REFERENCES public.cars);
ALTER TABLE public.parted OWNER TO {app};
REVOKE CREATE ON SCHEMA public FROM pg_database_owner;
GRANT SELECT ON tools.red, tools.drivers TO {migrate};
REVOKE REFERENCES ON tools.colours FROM {migrate} CASCADE;
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION tools.watched();
COMMENT ON EVENT TRIGGER watch IS 'prepared';
"""


def prepare(live: Access) -> fingerprint.Fingerprint:
    """Let operator, app and operator again make their things; give the schema."""
    names = {"migrate": live.migrate_role, "app": live.app_role, "super": "gitops"}
    for url, text in ((live.admin_url, PREPARED), (live.migrate_url, OURS), (live.admin_url, THEIRS)):
        with connect(url, application_name="test") as session:
            session.execute(re.sub(r"\{(\w+)\}", lambda found: names[found[1]], text).encode())
            found = fingerprint.take(session)
    return found


def test_what_the_operator_prepared_is_in_the_copy(home: Home, live: Access) -> None:
    prepare(live)
    with connect(live.admin_url, application_name="test") as admin:
        admin.execute(f"REVOKE USAGE ON SCHEMA aside FROM {live.migrate_role}".encode())
        schema = fingerprint.take(admin)
    with Scratch(home, live) as scratch:
        assert scratch.warnings == ()
        with connect(scratch.migrate_url, application_name="test") as copy:
            assert fingerprint.take(copy) == schema


def test_what_the_operator_prepared_elsewhere_is_in_the_copy(
    home: Home, live: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = prepare(live)
    monkeypatch.setenv("SHOP_DATABASE", live.app_url)
    with Scratch(home, access(home, "foreign", "shop", DatabaseAt("env:SHOP_DATABASE"))) as scratch:
        assert scratch.warnings == ()
        with connect(scratch.migrate_url, application_name="test") as copy:
            assert fingerprint.take(copy) == schema
            member = "SELECT pg_has_role('gitops_scratch_superuser', 'MEMBER')"
            assert copy.execute(member).fetchone() == (False,)


def test_what_the_apps_roles_may_not_create_is_said(home: Home, live: Access) -> None:
    """A function that only a superuser can create was given to the app by one."""
    with connect(live.admin_url, application_name="test") as admin:
        admin.execute("CREATE FUNCTION public.raw(text) RETURNS text LANGUAGE internal AS 'upper'")
        admin.execute(f"ALTER FUNCTION public.raw(text) OWNER TO {live.app_role}".encode())
    with pytest.raises(DatabaseFailed) as refused, Scratch(home, live):
        pass
    assert refused.value.code == "scratch.copy"
    assert "permission denied for language internal" in refused.value.cause


def test_no_name_makes_a_part_of_the_app_a_superusers() -> None:
    listed = b"""; Archive created at 2026-11-27
7; 2615 2200 SCHEMA - public pg_database_owner
2; 3079 16400 EXTENSION - pg_trgm\x20
217; 1259 16500 TABLE tools colours gitops
3300; 2604 16390 DEFAULT ACL items price shop_app
218; 1259 16391 TABLE public x gitops shop_migrate
219; 1259 16392 TABLE COMMENT ACL x shop_migrate
220; 0 0 TABLE ATTACH public part\x20
3301; 0 0 COMMENT COMMENT TABLE x shop_migrate
3302; 826 16393 DEFAULT ACL - DEFAULT PRIVILEGES FOR TABLES shop_migrate
221; 1259 16394 VIEW public red gitops
3303; 3466 16395 EVENT TRIGGER - watch gitops
3304; 0 0 COMMENT - EVENT TRIGGER watch gitops
"""
    found = contents.parts(listed, {"shop_app", "shop_migrate"})
    assert [(part.as_superuser, [int(entry.split(b";")[0]) for entry in part.entries]) for part in found] == [
        (True, [7, 2, 217]),
        (False, [3300, 218, 219, 220]),
        (True, [221]),
        (True, [3301, 3302]),
        (True, [3303, 3304]),
    ]
