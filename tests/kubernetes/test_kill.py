"""kill -9 at each point of a release to a real API server: after recovery all is old or all is new."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from gitops_cli.adapters import templates
from gitops_cli.adapters.postgres import server, urls
from tests.cluster.parts import wait
from tests.kubernetes.shop import GITOPS, config_map, deployment, service
from tests.support.cluster import cluster
from tests.support.site import migration
from tests.support.snapshot import database_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kubernetes.shop import Shop

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
OLD = {
    "deploy/a.yaml": config_map("a", x="1"),
    "deploy/frozen.yaml": config_map("frozen", x="1") + "immutable: true\n",
    "deploy/gone.yaml": config_map("gone", x="1"),
    "deploy/service.yaml": service("web"),
    "deploy/web.yaml": deployment("web"),
}
NEW = {
    "deploy/a.yaml": config_map("a", x="2"),
    "deploy/b.yaml": config_map("b", x="2"),
    "deploy/frozen.yaml": config_map("frozen", x="2") + "immutable: true\n",
    "deploy/service.yaml": service("web", 81),
    "deploy/web.yaml": deployment("web", note="new"),
}


def points(shop: Shop, *commits: str) -> Iterator[dict[str, Any]]:
    """Give what became of each point; the program goes on when the next one is asked for.

    The last release met no further point and lives. How many it met is its own: how often a watch has to ask
    again is up to the server.
    """
    command = [sys.executable, "-m", "tests.kubernetes.victim", str(shop.site.home.path), *commits]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for line in program.stdout:
            yield json.loads(line)
            program.stdin.write("\n")
            program.stdin.flush()
    assert program.returncode == 0


def pictures(shop: Shop) -> tuple[dict[str, Any], dict[str, Any], str, str]:
    """Release the old version, the new one and the old one again; give both pictures and commits."""
    shop.site.release("Old", OLD)
    old, before = shop.site.tip, shop.everything()
    shop.site.git("rm", "-q", "deploy/gone.yaml")
    shop.site.release("New", NEW)
    new, after = shop.site.tip, shop.everything()
    shop.site.git("rm", "-rq", "deploy")
    shop.site.release("Old again", OLD)
    assert shop.everything() == before
    return before, after, old, new


@pytest.mark.row(60)
def test_killed_at_each_point_of_a_release(shop: Shop) -> None:
    before, after, old, new = pictures(shop)
    seen = set()
    for told in points(shop, old, new):
        assert shop.everything() == (after if told["moved"] else before), told
        assert told["twice"] == [], told
        assert shop.is_settled(), told
        seen.add((told["status"], told["moved"]))
    assert told["point"] > 60
    assert seen == {(9, False), (9, True), (0, True)}


def make_quota(shop: Shop) -> None:
    """Allow one Service more than there is.

    A new quota for each try: a create that dies between admission and storage stays counted in the old one until
    its full resync, 5 minutes later (kubernetes/kubernetes#110080).
    """
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/services": "2"}}}
    shop.cluster.api.post(shop.path("resourcequotas"), quota)

    def one_is_used() -> bool:
        """Say whether the server has counted what was removed: it does so in its own time."""
        used = shop.cluster.api.get(shop.path("resourcequotas", "few")).get("status", {}).get("used", {})
        return bool(used.get("count/services") == "1")

    wait("the quota", one_is_used)


@pytest.mark.row(60)
def test_killed_at_each_point_of_a_release_that_is_refused(shop: Shop) -> None:
    before, _, old, _ = pictures(shop)
    make_quota(shop)
    two = {"deploy/more.yaml": service("more"), "deploy/most.yaml": service("most")}
    new = shop.site.commit("Refused", NEW | two)  # each alone would do, so no dry run sees it
    shop.site.git("push", "-q", "gitops", "main:refs/heads/elsewhere")
    seen = set()
    for told in points(shop, old, new):
        assert not told["moved"], told
        assert shop.everything() == before, told
        assert told["twice"] == [], told
        assert shop.is_settled(), told
        seen.add(told["status"])
        shop.cluster.api.delete(shop.path("resourcequotas", "few"))
        make_quota(shop)
    assert "exceeded quota" in told["told"][-1], told
    assert told["point"] > 60
    assert seen == {9, 0}


@pytest.mark.row(82)
def test_killed_at_each_point_of_a_heal(shop: Shop) -> None:
    shop.site.release("Old", OLD)
    before = shop.everything()

    def change() -> None:
        shop.edit("configmaps", "a", {"data": {"x": "by hand"}})
        shop.cluster.api.delete(shop.path("configmaps", "gone"))
        shop.edit("configmaps", "frozen", {"metadata": {"annotations": {"gitops-cli/hash": None}}})

    change()
    seen = set()
    for told in points(shop):
        assert shop.everything() == before, told
        assert told["twice"] == [], told
        assert shop.is_settled(), told
        seen.add(told["status"])
        change()
    assert told["point"] > 20
    assert len([line for line in told["told"][1] if line.startswith("drift: ")]) == 3
    assert seen == {9, 0}


@pytest.mark.row(60)
def test_killed_at_each_record_of_a_release_with_a_migration(shop: Shop, tmp_path: Path) -> None:
    """Objects and database go together, wherever the release died."""
    with cluster(tmp_path / "database") as home:
        running = server.status(home)
        assert running is not None
        with psycopg.connect(running.admin_url, autocommit=True) as admin:
            admin.execute("create role shop login password 'shop'")
            admin.execute("create database shop owner shop")
        admin_url = urls.with_database(running.admin_url, "shop")
        info = psycopg.conninfo.conninfo_to_dict(admin_url)
        shop.database(f"postgresql://shop:shop@/shop?host={info['host']}&port={info['port']}")

        def picture() -> dict[str, Any]:
            found = database_picture(admin_url)
            rows = {name: row for name, row in found["rows"].items() if name.startswith("public.")}
            found["rows"] = rows  # the ledger tells of every migration there and back
            return {"objects": shop.everything(), "database": found}

        note = migration("0002", "0001", "alter table items add note text", "alter table items drop note")
        first = {
            "gitops.yaml": GITOPS + "migrations: migrations\n",
            "migrations/env.py": templates.read("project/migrations/env.py"),
            "migrations/versions/0001_items.py": migration(
                "0001", None, "create table items (id serial primary key, name text)", "drop table items"
            ),
            "deploy/a.yaml": config_map("a", x="1"),
            "deploy/web.yaml": deployment("web", strategy="Recreate"),
        }
        shop.site.release("Old", first)
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute("insert into items (name) values ('kept')")
        old, before = shop.site.tip, picture()
        second = {"deploy/a.yaml": config_map("a", x="2"), "migrations/versions/0002_note.py": note}
        shop.site.release("New", second)
        new, after = shop.site.tip, picture()
        shop.site.git("rm", "-q", "migrations/versions/0002_note.py")
        shop.site.release("Old again", {"deploy/a.yaml": config_map("a", x="1")})
        assert picture() == before
        seen = set()
        for told in points(shop, old, new, "records"):
            assert picture() == (after if told["moved"] else before), told
            assert told["twice"] == [], told
            seen.add((told["status"], told["moved"]))
        assert told["told"][0] == told["point"] > 15
        assert seen == {(9, False), (9, True), (0, True)}
