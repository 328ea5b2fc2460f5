"""The secret `database` comes with the environment's database, also after a reboot."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from gitops_cli.adapters.postgres import server
from gitops_cli.errors import Refused
from tests.local.conftest import READY, Shop, alive, deployment, eventually, service

if TYPE_CHECKING:
    from collections.abc import Iterator

REMOTE = "version: 1\nenvironments: {production: {branch: main, target: local, database: embedded}}\n"
ENV = "env:\n  - {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: database, key: url}}}\n"
FILES: dict[str, str | bytes] = {
    "deploy/web.yaml": deployment(container=READY + "\n" + ENV) + "---\n" + service(),
}


@pytest.fixture
def with_database(shop: Shop) -> Iterator[Shop]:
    shop.home.config.write_text(REMOTE)
    yield shop
    shop.target.stop()
    server.destroy(shop.home)


def test_the_application_gets_the_address_and_the_server_is_started_again(with_database: Shop) -> None:
    shop = with_database
    wanted = shop.release(FILES)
    url = shop.get("/env")["env"]["DATABASE_URL"]
    assert "shop_production_app" in url
    password = url.split("@")[0].rsplit(":", 1)[1]
    local = shop.home.local("production")
    assert not [p for p in local.rglob("*") if p.is_file() and password.encode() in p.read_bytes()]
    old = shop.pids()
    os.kill(shop.supervisor(), signal.SIGKILL)  # as after a reboot: neither runs
    eventually(lambda: shop.pids() == [] and not any(map(alive, old)))
    server.stop(shop.home)
    shop.target.heal(wanted)
    assert server.status(shop.home) is not None
    assert shop.get("/env")["env"]["DATABASE_URL"].split("@")[0] == url.split("@")[0]


def test_an_environment_without_a_database_has_no_such_secret(shop: Shop) -> None:
    shop.home.config.write_text(REMOTE.replace("embedded", "none"))
    with pytest.raises(Refused, match="web wants key url of the secret database"):
        shop.target.check(shop.commit(FILES))
