"""Pushes whose new version can never be ready: told why at once, undone, and the page answers all the while."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.parts import wait
from tests.kubernetes.asking import Asking
from tests.kubernetes.rolling import quota
from tests.kubernetes.shop import make_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.given import Cluster
    from tests.kubernetes.shop import Shop

pytestmark = [pytest.mark.node, pytest.mark.row(80)]
AT_ONCE = 60.0
"""Seconds within which a push is told why, and undone; a rollout that is waited for to its end takes ROLLOUT."""
ROLLOUT = 120

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 5
      securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: web
          image: {image}
          env: [{env}]
{command}          readinessProbe: {{httpGet: {{path: /ready, port: 8080}}, periodSeconds: 1}}
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: 8080}}]
"""


def manifests(image: str, command: str = "", **environment: str) -> dict[str, str]:
    env = ", ".join(f"{{name: {name}, value: {value!r}}}" for name, value in environment.items())
    line = f"          command: [sh, -c, {command!r}]\n" if command else ""
    return {"deploy/web.yaml": WEB.format(image=image, env=env, command=line)}


@dataclass(frozen=True)
class Served:
    """A shop whose first version serves a page."""

    shop: Shop
    image: str
    asking: Asking
    pages: set[str] = field(default_factory=lambda: {"one"})
    """What may be answered while the test goes on."""

    def refused(self, files: dict[str, str]) -> str:
        """Push what can never be ready; give what the pusher saw. Everything is as before, also the page."""
        before, tip = self.everything(), self.shop.site.tip
        self.shop.site.commit("Change", files)
        began = time.monotonic()
        pushed = self.shop.site.push()
        assert time.monotonic() - began < AT_ONCE
        assert pushed.code != 0, pushed.text
        assert self.everything() == before
        assert self.shop.site.tip == tip
        wait("the end of the new pods", lambda: len(self.pods()) == 1)
        assert "\x1b[31m" not in pushed.text
        return pushed.text

    def everything(self) -> dict[str, Any]:
        """Leave out what the controller counts: going back is one more revision."""
        found = self.shop.everything()
        found["deployments/web"]["metadata"]["annotations"].pop("deployment.kubernetes.io/revision")
        return found

    def pods(self) -> list[str]:
        found = self.shop.cluster.api.get(self.shop.path("pods"))["items"]
        return [pod["metadata"]["name"] for pod in found]


def limited(shop: Shop, seconds: int) -> None:
    """Let a rollout take that long."""
    config = shop.site.home.config
    config.write_text(re.sub(r"rollout: \d+", f"rollout: {seconds}", config.read_text()))


@pytest.fixture
def served(node: Cluster, node_namespace: str, tmp_path: Path) -> Iterator[Served]:
    shop = make_shop(tmp_path, node, node_namespace)
    shop.remote(unschedulable=30)
    limited(shop, ROLLOUT)
    shop.site.release("First", manifests(node.images.web, TEXT="one"))
    address = shop.get("services", "web")["spec"]["clusterIP"]
    with Asking(address) as asking:
        wait("the page", lambda: asking.answers and asking.answers[-1] == "one")
        asking.answers.clear()
        found = Served(shop, node.images.web, asking)
        yield found
    assert asking.answers
    assert set(asking.answers) == found.pages


def crash(served: Served) -> tuple[dict[str, str], list[str]]:
    script = r"echo first; printf 'bad \033[31mport\n'; exit 3"
    says = ["ended with 3 twice before it was ready", r"its last line: bad \x1b[31mport", "web: first"]
    return manifests(served.image, script, TEXT="two"), says


def image(served: Served) -> tuple[dict[str, str], list[str]]:
    absent = f"{served.image.partition('/')[0]}/absent@sha256:{'0' * 64}"
    return manifests(absent, TEXT="two"), ["its image cannot be pulled", "not found"]


def full(served: Served) -> tuple[dict[str, str], list[str]]:
    api = served.shop.cluster.api
    api.post(served.shop.path("resourcequotas"), quota(pods="1"))
    path = served.shop.path("resourcequotas", "small")
    wait("the quota", lambda: "used" in api.get(path).get("status", {}))
    return manifests(served.image, TEXT="two"), ["exceeded quota: small"]


def never(served: Served) -> tuple[dict[str, str], list[str]]:
    limited(served.shop, 15)
    says = ["not ready within 15 s: Readiness probe failed", "503", "its last line: serving two"]
    return manifests(served.image, TEXT="two", READY="never"), says


@pytest.mark.parametrize("bad", [crash, image, full, never])
def test_a_version_that_cannot_be_ready_is_undone_with_its_reason(
    served: Served, bad: Callable[[Served], tuple[dict[str, str], list[str]]]
) -> None:
    files, says = bad(served)
    told = served.refused(files)
    for text in says:
        assert text in told


def test_a_good_version_takes_over_without_a_failed_request(served: Served) -> None:
    served.pages.add("two")
    served.shop.site.release("Second", manifests(served.image, TEXT="two"))
    wait("the new page", lambda: served.asking.answers[-1] == "two")
    wait("the end of the old pod", lambda: len(served.pods()) == 1)
