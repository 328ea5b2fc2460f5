"""What the local target cannot run is refused by name, before anything has happened."""

from __future__ import annotations

import pytest

from gitops_cli.errors import GitopsError
from tests.local.conftest import DOCKERFILE, READY, Shop, deployment, service

FIXED = "command: [python, -m, http.server, '8000']"
WEB = deployment(container=READY) + "---\n" + service()
STATEFUL = "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: store}\nspec: {}\n"
VOLUME = "volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]"
SCRATCH = "volumes: [{name: scratch, emptyDir: {}}]"


SECURE = (
    "automountServiceAccountToken: false\n"
    "securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}"
)


def refusal(shop: Shop, files: dict[str, str | bytes]) -> str:
    """Say why it is refused."""
    with pytest.raises(GitopsError) as caught:
        shop.target.check(shop.commit(files))
    return caught.value.sentence()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"deploy/web.yaml": deployment(container=FIXED)}, "web of web listens on 8000 whatever PORT says"),
        (
            {"deploy/web.yaml": deployment(container=FIXED, spec="strategy: {type: Recreate}\nreplicas: 2")},
            "2 replicas of web cannot all listen on 8000",
        ),
        ({"deploy/web.yaml": WEB + STATEFUL}, "deploy/web.yaml:25: StatefulSet store cannot run"),
        ({"deploy/web.yaml": deployment(pod=VOLUME)}, "the volume data of web cannot be had"),
        (
            {
                "deploy/web.yaml": deployment(
                    pod=SCRATCH, container="volumeMounts: [{name: scratch, mountPath: /data}]"
                )
            },
            "the volume scratch of web cannot be had",
        ),
        ({"deploy/web.yaml": WEB.replace("image: web", "image: nginx")}, "runs the image nginx"),
        (
            {"deploy/web.yaml": WEB.replace("image: web", f"image: nginx@sha256:{'a' * 64}")},
            "runs an image by digest, and the local target runs only what Dockerfiles of gitops.yaml say",
        ),
        (
            {"deploy/web.yaml": WEB.replace("targetPort: http", "targetPort: admin")},
            "leads to port admin of web",
        ),
        ({"deploy/web.yaml": WEB.replace("80,", "80, protocol: UDP,")}, "wants UDP"),
        ({"deploy/web.yaml": deployment(spec="replicas: 65")}, "65 processes are wanted"),
        ({"Dockerfile": DOCKERFILE + "RUN apt-get install -y ffmpeg\n"}, "Dockerfile:6: RUN apt-get install"),
        ({"Dockerfile": DOCKERFILE.replace("CMD", "LABEL x=1 #")}, "has no command"),
        (
            {"deploy/web.yaml": deployment(container="envFrom: [{configMapRef: {name: none}}]")},
            "ConfigMap none in this commit",
        ),
        (
            {
                "deploy/web.yaml": deployment(
                    container="env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]"
                )
            },
            "comes from status.podIP",
        ),
    ],
)
def test_refused(shop: Shop, files: dict[str, str | bytes], reason: str) -> None:
    assert reason in refusal(shop, files)
    assert shop.ours() == []


MISSING = "configMapRef: {name: none}"


@pytest.mark.parametrize(
    ("container", "line"),
    [
        ("image: wbe", "image: wbe"),
        (
            "env:\n  - {name: A, value: b}\n  - {name: KEY, valueFrom: {secretKeyRef: {name: no, key: k}}}",
            "name: no",
        ),
        ("envFrom:\n  - secretRef: {name: nothing}", "name: nothing"),
        (f"envFrom:\n  - prefix: X\n    {MISSING}", "prefix: X"),
        ("env:\n  - {name: A, value: b}\n  - {name: IP, valueFrom: {fieldRef: {fieldPath: x}}}", "name: IP"),
        (FIXED, "command:"),
    ],
)
def test_the_line_is_that_of_the_part_that_is_refused(shop: Shop, container: str, line: str) -> None:
    text = deployment(container=container)
    if "image:" in container:
        text = text.replace("          image: web\n", "")
    number = next(i for i, each in enumerate(text.splitlines(), 1) if line in each)
    assert refusal(shop, {"deploy/web.yaml": text}).startswith(f"deploy/web.yaml:{number}: ")


@pytest.mark.parametrize(
    "container",
    [
        "command: [python, -m, http.server, $(PORT)]",
        "command: [sh, -c, 'exec python -m http.server ${PORT:-8000}']",
        "env: [{name: PORT, value: '8000'}]",
        "env: [{name: OTHER, value: 'http://other:8000/'}]",
        "command: [python, app.py, --seconds, '18000', --ratio, '0.8000']",
    ],
)
def test_not_taken_for_a_fixed_port(shop: Shop, container: str) -> None:
    shop.target.check(shop.commit({"deploy/web.yaml": deployment(container=container) + "---\n" + service()}))


def test_the_plan_names_what_changes(shop: Shop) -> None:
    assert shop.target.plan(shop.commit()) == ["Deployment web: new, 1 replica", "Service web:80: new"]
    shop.release()
    two: dict[str, str | bytes] = {
        "deploy/web.yaml": deployment("api", spec="replicas: 2") + "---\n" + service("api", 81)
    }
    assert shop.target.plan(shop.commit(two)) == [
        "Deployment api: new, 2 replicas",
        "Deployment web: ends",
        "Service api:81: new",
        "Service web:80: ends",
    ]


def test_what_confines_a_pod_in_a_cluster_is_ignored_here(shop: Shop) -> None:
    own = READY + "\nsecurityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"
    shop.target.check(
        shop.commit({"deploy/web.yaml": deployment(container=own, pod=SECURE) + "---\n" + service()})
    )
