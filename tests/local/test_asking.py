"""A check asks the service that it names, whatever the Services are called."""

from __future__ import annotations

import pytest

from gitops_cli.errors import Failed
from gitops_cli.targets.asking import Way, choose
from tests.local.conftest import APP, PROJECT, READY, Shop, deployment, service

WEB, API = Way("web-svc", {"web"}, {"web", "proxy"}), Way("api-svc", {"api"}, {"api"})


@pytest.mark.parametrize(
    ("ways", "found"),
    [
        ([API, WEB], "web-svc"),
        ([API, Way("web", {"proxy"}, {"proxy"})], "web"),  # it leads somewhere that no one can see from here
        ([Way("web", {"api"}, {"api"}), WEB], "web-svc"),
        ([Way("admin", {"web"}, {"web"}), Way("web", {"web"}, {"web"})], "web"),
        ([API, Way("front", {"proxy"}, {"proxy", "web"})], "front"),
        ([API], "api-svc"),
        ([], ""),
    ],
)
def test_the_service_that_leads_there(ways: list[Way], found: str) -> None:
    assert choose("web", {way.name: way for way in ways}) == found


def test_two_ports_of_one_service() -> None:
    ways = {"shop": Way("shop", {"api"}, {"api", "web"}), "shop:http": Way("shop", {"web"}, {"api", "web"})}
    assert choose("web", ways) == "shop:http"
    assert choose("worker", ways) == "shop"


def test_nobody_leads_there() -> None:
    with pytest.raises(Failed, match=r"no Service leads to worker, .* there are api-svc, web-svc") as caught:
        choose("worker", {"a": WEB, "b": API})
    assert caught.value.code == "verify.no-service"


def test_services_with_other_names_than_the_deployments(shop: Shop) -> None:
    broken = APP.replace('if self.path == "/die"', 'if self.path == "/health" and "BROKEN" in os.environ')
    web = deployment(container=READY + "\nenv: [{name: BROKEN, value: 'yes'}]")
    api = deployment("api", container=READY).replace("image: web", "image: api")
    files = {
        "app.py": broken.replace("os._exit(3)", 'self.path = "/never"'),
        "gitops.yaml": PROJECT + "  api: {}\n",
        "deploy/web.yaml": web + "---\n" + service().replace("name: web", "name: web-svc"),
        "deploy/api.yaml": api + "---\n" + service("api").replace("name: api", "name: api-svc"),
    }
    shop.begin(shop.commit(dict(files)))
    assert (shop.target.answers("web", "/health", timeout=10) or (0, ""))[0] == 503
    assert (shop.target.answers("api", "/health", timeout=10) or (0, ""))[0] == 200
    with pytest.raises(Failed, match="there are api-svc, web-svc"):
        shop.target.answers("worker", "/health", timeout=10)
