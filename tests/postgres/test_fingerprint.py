"""A schema's fingerprint tells every kind of change, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.postgres import fingerprint
from tests.support.sessions import connect

if TYPE_CHECKING:
    from gitops_cli.adapters.postgres.access import Access

SCHEMA = """
CREATE TABLE parent (id serial PRIMARY KEY, email varchar(200) DEFAULT 'x', age int, body text,
  at timestamptz);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, CONSTRAINT positive CHECK (id > 0));
CREATE TABLE spare (a int, b int);
CREATE UNIQUE INDEX by_email ON parent (email) WHERE age > 1;
CREATE VIEW grown AS SELECT id FROM parent WHERE age > 17;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM parent;
CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER note BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TABLE logs (day date) PARTITION BY RANGE (day);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE POLICY mine ON parent USING (age > 0);
CREATE RULE still AS ON DELETE TO spare DO INSTEAD NOTHING;
"""
CHANGES = [
    "ALTER TABLE parent ADD COLUMN extra int",
    "ALTER TABLE parent DROP COLUMN body",
    "ALTER TABLE spare ALTER a TYPE bigint",
    "ALTER TABLE parent ALTER email TYPE varchar(300)",
    "ALTER TABLE parent ALTER age SET NOT NULL",
    "ALTER TABLE parent ALTER email SET DEFAULT 'y'",
    "ALTER TABLE parent ALTER email DROP DEFAULT",
    "ALTER TABLE parent ALTER body SET STORAGE EXTERNAL",
    "ALTER TABLE parent ALTER age SET STATISTICS 500",
    "ALTER TABLE parent SET (fillfactor = 50)",
    "ALTER TABLE parent ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE parent REPLICA IDENTITY FULL",
    "ALTER TABLE spare SET UNLOGGED",
    "ALTER TABLE spare RENAME TO other",
    "ALTER TABLE spare RENAME a TO c",
    "ALTER TABLE child DROP CONSTRAINT positive; ALTER TABLE child ADD CONSTRAINT positive CHECK (id > 1)",
    "ALTER TABLE child ADD CONSTRAINT loose FOREIGN KEY (id) REFERENCES parent NOT VALID",
    "DROP INDEX by_email; CREATE UNIQUE INDEX by_email ON parent (email)",
    "CREATE INDEX ON parent USING brin (at)",
    "CREATE OR REPLACE VIEW grown AS SELECT id FROM parent WHERE age > 18",
    "DROP MATERIALIZED VIEW counted",
    "ALTER SEQUENCE numbers INCREMENT 5",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
    "ALTER DOMAIN short DROP CONSTRAINT short_check",
    "CREATE OR REPLACE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + $1'",
    "ALTER TABLE parent DISABLE TRIGGER note",
    "DROP TRIGGER note ON parent",
    "ALTER TABLE logs DETACH PARTITION logs_1",
    "ALTER POLICY mine ON parent USING (age > 1)",
    "DROP RULE still ON spare",
    "GRANT SELECT ON parent TO PUBLIC",
    "GRANT UPDATE (age) ON parent TO PUBLIC",
    "REVOKE EXECUTE ON FUNCTION twice FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "COMMENT ON TABLE parent IS 'people'",
    "COMMENT ON COLUMN parent.age IS 'years'",
    "CREATE STATISTICS together ON age, email FROM parent",
    "CREATE SCHEMA aside",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "ALTER TABLE child ALTER id ADD GENERATED ALWAYS AS IDENTITY",
]
NO_CHANGES = [
    "GRANT SELECT ON parent TO PUBLIC; REVOKE SELECT ON parent FROM PUBLIC",
    "REVOKE EXECUTE ON FUNCTION twice FROM PUBLIC; GRANT EXECUTE ON FUNCTION twice TO PUBLIC",
    "ALTER TABLE spare ADD c int; ALTER TABLE spare DROP c",
    "INSERT INTO parent (age) VALUES (1)",
    "CREATE TEMP TABLE passing (a int)",
    "CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)",
    "CREATE SCHEMA gitops; CREATE TABLE gitops.l (a int PRIMARY KEY); COMMENT ON TABLE gitops.l IS 'x'",
]


def test_every_kind_of_change_shows_and_rolls_back(live: Access) -> None:
    with connect(live.admin_url, application_name="test", autocommit=True) as connection:
        connection.execute(f"SET ROLE {live.migrate_role}")
        connection.execute(SCHEMA)
        before = fingerprint.take(connection)
        for change in CHANGES:
            connection.execute("BEGIN")
            connection.execute(change.encode())
            after = fingerprint.take(connection)
            connection.execute("ROLLBACK")
            assert after.digest != before.digest, change
            assert fingerprint.difference(before, after), change
            assert fingerprint.changes(before, after), change
        assert fingerprint.take(connection) == before


def test_what_is_no_change_does_not_show(live: Access) -> None:
    with connect(live.migrate_url, application_name="test") as connection:
        connection.execute(SCHEMA)
        before = fingerprint.take(connection)
        for change in NO_CHANGES:
            connection.execute(change.encode())
            assert fingerprint.difference(before, fingerprint.take(connection)) == (), change
        assert fingerprint.take(connection).digest == before.digest


def test_lines_name_object_and_property(live: Access) -> None:
    with connect(live.migrate_url, application_name="test") as connection:
        connection.execute(SCHEMA)
        before = fingerprint.take(connection)
        connection.execute("ALTER TABLE parent DROP COLUMN email, ADD COLUMN email varchar(200)")
        after = fingerprint.take(connection)
    assert fingerprint.difference(before, after) == (
        "column public.parent.email: default 'x'::character varying became none",
        "index public.by_email: gone",
    )
    assert fingerprint.column_order_changes(before, after) == ("public.parent",)


def test_order_of_columns_alone_is_a_note(live: Access) -> None:
    with connect(live.migrate_url, application_name="test") as connection:
        connection.execute("CREATE TABLE t (a int, b int)")
        before = fingerprint.take(connection)
        connection.execute("ALTER TABLE t DROP a; ALTER TABLE t ADD a int")
        after = fingerprint.take(connection)
    assert before.digest == after.digest
    assert before.exact != after.exact
    assert fingerprint.difference(before, after) == ()
    assert fingerprint.column_order_changes(before, after) == ("public.t",)


def test_the_session_is_left_as_it_was(live: Access) -> None:
    with connect(live.migrate_url, application_name="test") as connection:
        fingerprint.take(connection)
        connection.execute("CREATE TABLE works (a int)")
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)
        connection.execute("SET LOCAL search_path = pg_catalog")
        fingerprint.rows_digest(connection)
        assert connection.execute("SHOW search_path").fetchone() == ("pg_catalog",)
        connection.commit()
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)
        assert connection.execute("SHOW TimeZone").fetchone() != ("",)


def test_roles_are_mapped(live: Access) -> None:
    with connect(live.admin_url, application_name="test") as connection:
        connection.execute("CREATE TABLE t (a int)")
        connection.execute(f"ALTER TABLE t OWNER TO {live.migrate_role}")
        connection.execute(f"GRANT SELECT ON t TO {live.app_role}")
        mine = fingerprint.take(connection)
        connection.execute("ALTER TABLE t OWNER TO gitops")
        roles = {live.migrate_role: "owner", "gitops": "owner"}
        other = fingerprint.take(connection, roles=roles)
        connection.execute(f"ALTER TABLE t OWNER TO {live.migrate_role}")
        assert fingerprint.take(connection).digest == mine.digest != other.digest
        assert fingerprint.take(connection, roles=roles).digest == other.digest


def test_rows_of_every_table(live: Access) -> None:
    with connect(live.migrate_url, application_name="test") as connection:
        connection.execute('CREATE TABLE "odd "" name" ("_gitops_row" int, h text); CREATE TABLE none ()')
        empty = fingerprint.rows_digest(connection)
        connection.execute('INSERT INTO "odd "" name" VALUES (1, NULL), (2, \'a\')')
        two = fingerprint.rows_digest(connection)
        connection.execute('DELETE FROM "odd "" name"')
        connection.execute('INSERT INTO "odd "" name" VALUES (2, \'a\'), (1, NULL)')
        assert fingerprint.rows_digest(connection) == two
        connection.execute('UPDATE "odd "" name" SET h = \'\' WHERE h IS NULL')
        assert fingerprint.rows_digest(connection) != two
    assert empty['public."none"'][0] == 0
    assert two['public."odd "" name"'][0] == 2


@pytest.mark.parametrize("wanted", ["default_transaction_isolation", "lock_timeout"])
def test_it_takes_part_in_an_open_transaction(live: Access, wanted: str) -> None:
    with connect(live.migrate_url, application_name="test") as connection:
        connection.execute("CREATE TABLE t (a int)")
        before = connection.execute("SELECT pg_current_xact_id(), current_setting(%s)", (wanted,)).fetchone()
        assert "relation" in {row[0] for row in fingerprint.take(connection).rows}
        after = connection.execute("SELECT pg_current_xact_id(), current_setting(%s)", (wanted,)).fetchone()
    assert before == after
