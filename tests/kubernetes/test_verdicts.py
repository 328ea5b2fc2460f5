from __future__ import annotations

from typing import Any

import pytest

from gitops_cli.targets.kubernetes.memory import Memory
from gitops_cli.targets.kubernetes.pods import all_of, newest, ready, restarts
from gitops_cli.targets.kubernetes.readiness import SETTLES
from gitops_cli.targets.kubernetes.verdicts import Doom, doom, why_waiting
from tests.kubernetes.objects import Body, body, conditions, container, pod, seen

NOT_FOUND = 'failed to resolve reference "r/web@sha256:0": r/web@sha256:0: not found'
REFUSED = "dial tcp 10.0.0.1:5000: connect: connection refused"


def waiting(reason: str, message: str = "", **more: Any) -> Body:
    return container(waiting={"reason": reason, "message": message}, **more)


def ended(code: int, at: str = "2026-11-24T04:05:06Z", reason: str = "Error") -> Body:
    return {"exitCode": code, "reason": reason, "finishedAt": at}


def judged(status: Body, pulls: int = 0, *, restarts: bool = True) -> Doom | None:
    return doom(pod(containers=[status]), pulls={"web": pulls}, unschedulable=30, restarts=restarts)


NEVER = {
    "no such image": (waiting("ErrImagePull", NOT_FOUND), 0, "image", "cannot be pulled"),
    "no right": (waiting("ErrImagePull", "401 Unauthorized"), 0, "image", "401 Unauthorized"),
    "second try": (waiting("ErrImagePull", REFUSED), 2, "image", "connection refused"),
    "never pulled": (waiting("ErrImageNeverPull", "is not present"), 0, "image", "not present"),
    "bad name": (waiting("InvalidImageName", "couldn't parse"), 0, "image", "parse"),
    "two exits": (
        container(restarts=1, last=ended(1), terminated=ended(3)),
        0,
        "crash-loop",
        "ended with 3",
    ),
    "killed for memory": (
        container(restarts=1, last=ended(137), terminated=ended(137, reason="OOMKilled")),
        0,
        "crash-loop",
        "137 (OOMKilled)",
    ),
    "back-off": (
        waiting("CrashLoopBackOff", last=ended(2)),
        0,
        "crash-loop",
        "ended with 2 twice",
    ),
    "exits with 0 too": (
        waiting("CrashLoopBackOff", last=ended(0, reason="Completed")),
        0,
        "crash-loop",
        "ended with 0 twice",
    ),
}


@pytest.mark.row(80)
@pytest.mark.parametrize(("status", "pulls", "why", "reason"), NEVER.values(), ids=NEVER.keys())
def test_will_never_be_ready(status: Body, pulls: int, why: str, reason: str) -> None:
    found = judged(status, pulls)
    assert found is not None
    assert (found.why, found.pod, found.container, found.holds) == (why, "web-1", "web", 0.0)
    assert reason in found.reason


PERHAPS = {
    "is made": waiting("ContainerCreating"),
    "one failed pull": waiting("ErrImagePull", REFUSED),
    "pause after one failed pull": waiting("ImagePullBackOff", f"Back-off pulling image: {REFUSED}"),
    "runs": container(running={}),
    "runs again after two exits": container(restarts=2, last=ended(1), running={}),
    "first exit": container(terminated=ended(1)),
    "ended well after an exit": container(restarts=1, last=ended(1), terminated=ended(0)),
    "two exits a day apart": container(
        restarts=1, last=ended(1, "2026-11-23T04:05:06Z"), terminated=ended(1, "2026-11-24T04:05:06Z")
    ),
}


@pytest.mark.parametrize("status", PERHAPS.values(), ids=PERHAPS.keys())
def test_may_still_become_ready(status: Body) -> None:
    assert judged(status, pulls=1) is None


def test_a_missing_secret_must_last_as_a_controller_may_write_it() -> None:
    found = judged(waiting("CreateContainerConfigError", 'couldn\'t find key "url" in Secret shop/db'))
    assert found is not None
    assert (found.why, found.holds) == ("config", SETTLES)
    assert 'couldn\'t find key "url"' in found.reason


def test_no_room_must_last_as_long_as_the_operator_says() -> None:
    told = conditions("PodScheduled=False:Unschedulable")
    found = doom(pod(conditions=told), pulls={}, unschedulable=12, restarts=True)
    assert found is not None
    assert (found.why, found.holds) == ("unschedulable", 12)
    gated = conditions("PodScheduled=False:SchedulingGated")
    assert doom(pod(conditions=gated), pulls={}, unschedulable=12) is None


def test_an_init_container_is_judged_like_any_other() -> None:
    first = container("prepare", restarts=1, last=ended(1), terminated=ended(1))
    found = doom(
        pod(containers=[waiting("PodInitializing")], initContainerStatuses=[first]),
        pulls={},
        unschedulable=30,
    )
    assert found is not None
    assert found.container == "prepare"


def test_how_often_a_job_may_try_is_its_own_rule() -> None:
    assert judged(container(restarts=1, last=ended(1), terminated=ended(1)), restarts=False) is None
    assert judged(waiting("ErrImageNeverPull"), restarts=False) is not None


def test_what_a_pod_does_is_said_in_a_few_words() -> None:
    assert why_waiting(pod(containers=[waiting("ContainerCreating")])) == "ContainerCreating"
    assert why_waiting(pod(containers=[container(terminated=ended(4))])) == "web ended with 4"
    assert why_waiting(pod(conditions=conditions("PodScheduled=False:Unschedulable"))) == "Unschedulable"
    assert not why_waiting(pod(containers=[container(running={})]))


def test_failed_pulls_are_counted_by_what_lies_between_them() -> None:
    memory = Memory()
    seen_pods = [
        waiting("ErrImagePull"),
        waiting("ErrImagePull"),
        waiting("ImagePullBackOff"),
        waiting("ErrImagePull"),
    ]
    found = []
    for status in seen_pods:
        one = pod(containers=[status])
        memory.look([one])
        found.append(memory.pulls(one)["web"])
    assert found == [1, 1, 1, 2]
    missed = pod("web-2", containers=[waiting("ImagePullBackOff")])
    memory.look([missed])
    assert memory.pulls(missed)["web"] == 1


def test_time_counts_only_while_it_is_so_in_every_look() -> None:
    memory = Memory()
    memory.look([])
    assert memory.age("quota", 10.0) == 0.0
    memory.look([])
    assert memory.age("quota", 13.0) == 3.0
    memory.look([])
    memory.look([])
    assert memory.age("quota", 20.0) == 0.0


def test_only_pods_of_the_new_replica_set_count() -> None:
    web = body("apps/v1", "Deployment", status=seen(), annotations={"deployment.kubernetes.io/revision": "2"})
    sets = [
        {
            "metadata": {
                "uid": uid,
                "annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [{"uid": owner, "controller": True}],
            }
        }
        for uid, revision, owner in (("old", "1", "u-web"), ("new", "2", "u-web"), ("other", "2", "u-api"))
    ]
    leaving = pod("leaving", owner="new")
    leaving["metadata"]["deletionTimestamp"] = "x"
    pods = [pod("a", owner="old"), pod("b", owner="new"), pod("c", owner="other"), leaving]
    assert [p["metadata"]["name"] for p in newest(web, pods, sets)] == ["b"]
    assert [p["metadata"]["name"] for p in all_of(web, pods, sets)] == ["a", "b", "leaving"]
    web["status"]["observedGeneration"] = 1
    assert newest(web, pods, sets) == []


@pytest.mark.parametrize(
    ("kind", "label", "status", "annotations"),
    [
        ("StatefulSet", "controller-revision-hash", {"updateRevision": "new"}, {}),
        ("DaemonSet", "pod-template-generation", {}, {"deprecated.daemonset.template.generation": "new"}),
    ],
)
def test_other_workloads_label_the_version_of_a_pod(
    kind: str, label: str, status: Body, annotations: Body
) -> None:
    workload = body("apps/v1", kind, status=seen(**status), annotations=annotations)
    pods = [pod("a", owner="u-web"), pod("b", owner="u-web"), pod("c", owner="else")]
    for one, version in zip(pods, ("old", "new", "new"), strict=True):
        one["metadata"]["labels"][label] = version
    assert [p["metadata"]["name"] for p in newest(workload, pods)] == ["b"]


def test_a_pod_is_ready_when_it_says_so_or_is_done() -> None:
    assert ready(pod(conditions=conditions("Ready=True")))
    assert ready(pod(phase="Succeeded"))
    assert not ready(pod(conditions=conditions("Ready=False")))
    assert restarts(pod(containers=[container(restarts=2), container("b", restarts=1)])) == 3
