"""A real application goes the whole way: told what to paste, released, used, migrated, rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitops_cli.config.envpy import LINES_TO_PASTE
from tests.realapp.conftest import ENV, HEAD, USER, Visitor, gitops, steady

if TYPE_CHECKING:
    from tests.support.site import Site

pytestmark = pytest.mark.slow

PLACE = """\
    op.add_column("bill", sa.Column("place", sa.UnicodeText(), nullable=True))
    op.execute("UPDATE bill SET place = 'Paris' WHERE what = 'tea'")
"""
NO_PLACE = """\
    op.drop_column("bill", "place")
"""


def test_init_finds_its_migrations_and_shows_the_lines_to_paste(begun: tuple[Site, str]) -> None:
    site, said = begun
    assert f"migrations: {ENV.removesuffix('/env.py')}\n" in (site.folder / "gitops.yaml").read_text()
    assert "containerPort: 8000" in (site.folder / "deploy/deployment.yaml").read_text()
    assert f"note: {ENV} opens a connection of its own; paste these lines below line 1 of {ENV}:" in said
    assert LINES_TO_PASTE in said


def test_its_env_py_ignores_the_connection_so_the_lines_to_paste_come_first(
    refused: tuple[Site, str],
) -> None:
    site, text = refused
    shown = "".join(
        line.removeprefix("remote: ").rstrip() + "\n"
        for line in text.splitlines()
        if line.startswith("remote:")
    )
    assert LINES_TO_PASTE in shown
    assert f"rehearse: {ENV}:" in text
    assert "it fails before it uses the connection that gitops hands it" in text
    assert f"below line 1 of {ENV}" in text
    assert "Traceback" not in text
    assert site.sql("select count(*) from pg_tables where schemaname = 'public'") == [(0,)]


def test_its_page_answers_on_postgresql(trip: tuple[Site, Visitor]) -> None:
    site, visitor = trip
    status, page = visitor.get()
    assert status == 200
    assert "I Hate Money" in page
    assert site.sql(
        "select person.name from person join project on project.id = project_id where project.id = 'trip'"
    ) == [("Ada",)]
    assert [bill["what"] for bill in visitor.api("/trip/bills", user=USER)] == ["tea"]


def test_all_its_migrations_ran_before_it_began_and_its_own_were_a_no_op(served: tuple[Site, str]) -> None:
    site, text = served
    assert f"13 migrations up, now at {HEAD}" in text
    said = gitops(site.folder, "logs", "--app", "web").stdout
    assert "Context impl PostgresqlImpl" in said  # it did look
    assert "Running upgrade" not in said


def test_data_comes_with_a_migration_and_is_not_lost_unsaid(trip: tuple[Site, Visitor]) -> None:
    site, visitor = trip
    create = gitops(site.folder, "migrate", "create", "where a bill was paid")
    assert create.returncode == 0, create.stderr
    path = site.folder / create.stdout.split()[-1]
    path.write_text(path.read_text().replace("    pass\n", PLACE, 1).replace("    pass\n", NO_PLACE, 1))
    assert "1 migration up, there, back and there again" in site.release("Where a bill was paid")
    assert site.sql("select what, place from bill where place is not null") == [("tea", "Paris")]
    assert [bill["what"] for bill in visitor.api("/trip/bills", user=USER)] == ["tea"]

    moved = steady(site)
    refused = gitops(site.folder, "rollback")
    assert refused.returncode == 1
    assert "going back would lose bill.place (1 value)" in refused.stdout
    assert "-o accept-loss=bill.place" in refused.stderr
    assert steady(site) == moved

    accepted = gitops(site.folder, "rollback", "-o", "accept-loss=bill.place")
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert "what was dropped is kept in" in accepted.stdout
    assert site.sql("select version_num from alembic_version") == [(HEAD,)]
    assert [bill["what"] for bill in visitor.api("/trip/bills", user=USER)] == ["tea"]
    assert site.tip == site.git("rev-parse", "HEAD")
    assert site.git("rev-parse", "HEAD^{tree}") == site.git("rev-parse", "HEAD~2^{tree}")
    assert visitor.get()[0] == 200
