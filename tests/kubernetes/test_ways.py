"""Which Service of a set a check asks: the one that leads to the service, whatever it is called."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_cli.adapters.kubernetes.objects import Key
from gitops_cli.errors import Failed
from gitops_cli.targets.kubernetes.rendering import Rendered
from gitops_cli.targets.kubernetes.ways import Port, asked, named

IMAGES = {"web": "r/web@sha256:1", "api": "r/api@sha256:2", "worker": "r/worker@sha256:3"}


def rendered(kind: str, group: str, name: str, spec: dict[str, Any]) -> Rendered:
    body = {"apiVersion": f"{group}/v1".lstrip("/"), "kind": kind, "metadata": {"name": name}, "spec": spec}
    version = str(body["apiVersion"])
    return Rendered(
        key=Key(group, kind, "shop", name), api_version=version, body=body, hash="", file="", line=1
    )


def deployment(name: str, *containers: dict[str, Any]) -> Rendered:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": list(containers)}}
    return rendered("Deployment", "apps", name, {"template": template})


def service(name: str, app: str, *ports: dict[str, Any]) -> Rendered:
    return rendered("Service", "", name, {"selector": {"app": app} if app else {}, "ports": list(ports)})


SET = [
    deployment(
        "front",
        {"name": "a", "image": IMAGES["api"], "ports": [{"containerPort": 8000, "name": "json"}]},
        {"name": "w", "image": IMAGES["web"], "ports": [{"containerPort": 8080}]},
    ),
    deployment("back", {"name": "x", "image": "r/other@sha256:4"}),
    service("admin", "", {"port": 1}),
    service("front-svc", "front", {"port": 81, "targetPort": "json"}, {"port": 80, "targetPort": 8080}),
    service("back-svc", "back", {"port": 90}),
    service("worker", "back", {"port": 91}),
]


@pytest.mark.parametrize(
    ("name", "port"),
    [("web", Port("front-svc", 80)), ("api", Port("front-svc", 81)), ("worker", Port("worker", 91))],
)
def test_the_port_that_leads_to_a_service(name: str, port: Port) -> None:
    assert asked(SET, IMAGES, name) == port


def test_a_service_that_none_leads_to_is_not_looked_for_elsewhere() -> None:
    with pytest.raises(Failed, match="there are admin, back-svc, front-svc, worker"):
        asked(SET, IMAGES, "mail")
    assert asked(SET[:1], IMAGES, "web") is None
    assert asked(SET[2:3], IMAGES, "web") == Port("admin", 1)


def test_the_service_to_open_is_the_named_one_or_the_first() -> None:
    assert named(SET, "back-svc") == Port("back-svc", 90)
    assert named(SET, "") == Port("admin", 1)
    assert named(SET, "web") is None
