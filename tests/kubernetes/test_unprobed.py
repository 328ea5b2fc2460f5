from __future__ import annotations

from typing import Any

import pytest

from gitops_cli.targets.kubernetes.unprobed import MIN_READY, hold
from tests.kubernetes.rolling import container, job, workload

PROBE = {"readinessProbe": {"tcpSocket": {"port": 80}}}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_what_no_probe_watches_must_run_for_some_seconds(kind: str) -> None:
    body = workload(kind, container("web", "true"))
    body["spec"]["template"]["spec"]["containers"].append(container("web", "true", **PROBE))
    hold(body)
    assert body["spec"]["minReadySeconds"] == MIN_READY


def test_probes_and_the_author_decide_for_themselves() -> None:
    probed: list[dict[str, Any]] = [
        workload("Deployment", container("web", "true", **PROBE)),
        workload("Deployment", container("web", "true", startupProbe=PROBE["readinessProbe"])),
        job(container("web", "true")),
        {"apiVersion": "example.org/v1", "kind": "Deployment", "spec": {}},
    ]
    for body in probed:
        hold(body)
        assert "minReadySeconds" not in body["spec"]
    own = workload("Deployment", container("web", "true"))
    own["spec"]["minReadySeconds"] = 0
    hold(own)
    assert own["spec"]["minReadySeconds"] == 0
