"""The whole story on a node: `gitops init`, a push to this machine, one changed block, a push to a cluster.

One project for all tests of this file: each begins and ends with a version that serves, and a client asks the
page all the while.
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from datetime import datetime
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Self

import pytest

from gitops_cli.adapters.postgres import server
from tests.cluster.fixtures import namespaces
from tests.cluster.parts import gives, wait
from tests.kubernetes import moving as steps
from tests.kubernetes.asking import Asking
from tests.support.site import migration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.given import Cluster
    from tests.kubernetes.moving import Moving

pytestmark = pytest.mark.node

DEPLOYMENT = "deploy/deployment.yaml"
PRICE = "migrations/versions/0002_price.py"
VERDICT_SECONDS = 10.0


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What was seen on the way, for the tests."""
    return {}


@pytest.fixture(scope="module")
def moved(node: Cluster, tmp_path_factory: pytest.TempPathFactory, told: dict[str, Any]) -> Iterator[Moving]:
    """The project, pushed to this machine and then to the cluster."""
    with namespaces(node.api) as make:
        moving = steps.begin(tmp_path_factory.mktemp("story"), node, make())
        site, home = moving.site, moving.site.home
        try:
            told["local"] = site.push()
            told["page"], told["first"] = site.page(), site.tip
            told["remote"] = home.config.read_text()
            steps.prepare(moving)
            steps.bind(moving)
        finally:
            server.destroy(home)
        site.commit("Move")  # no change: git has nothing to push otherwise
        told["cluster"] = site.push()
        yield moving


@pytest.fixture
def asking(moved: Moving) -> Iterator[Asking]:
    """A client that asks all the while, and is always answered."""
    steps.until_one_pod(moved)
    with Asking(moved.address) as asking:
        wait("the page", lambda: asking.answers and not asking.answers[-1].startswith("failed: "))
        del asking.answers[:-1]  # the node may not have known the way at first
        yield asking
        steps.until_one_pod(moved)
    assert asking.failed == []


@pytest.fixture(autouse=True)
def clean(moved: Moving) -> Iterator[None]:
    yield
    moved.site.back()


def deployment(moved: Moving, *changes: tuple[str, str]) -> dict[str, str]:
    """Give the Deployment with some of its lines changed."""
    text = (moved.site.folder / DEPLOYMENT).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return {DEPLOYMENT: text}


def with_variable(moved: Moving, value: str) -> dict[str, str]:
    """Give the Deployment with a variable more: another pod."""
    text = (moved.site.folder / DEPLOYMENT).read_text()
    text = re.sub(r"            - \{name: TURN, .*\n", "", text)
    line = f"            - {{name: TURN, value: {value!r}}}\n"
    return {DEPLOYMENT: text.replace("          env:\n", f"          env:\n{line}", 1)}


def test_the_same_tree_runs_on_this_machine_and_in_a_cluster(moved: Moving, told: dict[str, Any]) -> None:
    assert told["local"].code == 0, told["local"].text
    assert told["cluster"].code == 0, told["cluster"].text
    assert moved.site.git("diff", told["first"], "HEAD") == ""
    assert moved.site.tip == moved.site.git("rev-parse", "HEAD") != told["first"]
    now = moved.site.home.config.read_text()
    left, right = told["remote"].splitlines(), now.splitlines()
    same_head = next(n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1])
    same_tail = next(
        n for n, pair in enumerate(zip(left[::-1], right[::-1], strict=False)) if pair[0] != pair[1]
    )
    assert len(left) - same_head - same_tail == 2  # `target` and `database`: one block
    assert sorted(moved.shop.everything()) == ["configmaps/settings", "deployments/web", "services/web"]
    wait("the pod", lambda: len(moved.pods()) == 1)
    with answered(moved) as answer:
        assert answer.read().decode() == told["page"]
    assert "The schema came first," in told["page"]
    assert moved.sql("select version_num from alembic_version") == [("0001",)]
    assert moved.shop.is_settled()
    (pod,) = moved.pods()
    assert pod["spec"]["containers"][0]["image"].partition("@")[2].startswith("sha256:")


def test_a_push_with_a_migration_rolls_out_without_a_failed_request(moved: Moving, asking: Asking) -> None:
    add = migration("0002", "0001", "alter table notes add price int", "alter table notes drop price")
    said = moved.site.release("Prices", with_variable(moved, "priced") | {PRICE: add})
    assert "0001 -> 0002" in said or "0002" in said
    wait("the new page", lambda: "<th>price</th>" in asking.answers[-1])
    for turn in ("one", "two"):
        moved.site.release(f"Turn {turn}", with_variable(moved, turn))


def answered(moved: Moving, query: str = "") -> Any:
    """Ask the page: a pod is ready some moments before the node knows the way to it."""
    url = f"http://{moved.address}/{query}"
    return gives("the page", lambda: urllib.request.urlopen(url, timeout=30), urllib.error.URLError)


class Verdict:
    """When the container of a new pod had ended for the second time, by the node's clock, which is ours."""

    def __init__(self, moved: Moving) -> None:
        self._moved = moved
        self._stop = Event()
        self._thread = Thread(target=self._run)
        self.at = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1) and not self.at:
            for pod in self._moved.pods():
                for status in pod["status"].get("containerStatuses", ()):
                    end = status["state"].get("terminated") or status["lastState"].get("terminated")
                    again = status["restartCount"] - ("terminated" not in status["state"])
                    if end and again >= 1:
                        self.at = datetime.fromisoformat(end["finishedAt"]).timestamp()


@pytest.mark.alone
@pytest.mark.row(80)
def test_a_rollout_that_can_never_succeed_is_undone_with_its_migration(moved: Moving, asking: Asking) -> None:
    before = moved.picture()
    command = 'command: [sh, -c, "echo no config; exit 3"]'
    files = deployment(moved, ("          ports:\n", f"          {command}\n          ports:\n"))
    add = migration("0003", "0002", "alter table notes add colour text", "alter table notes drop colour")
    moved.site.commit("Broken", files | {"migrations/versions/0003_colour.py": add})
    with Verdict(moved) as verdict:
        pushed = moved.site.push()
        refused = time.time()
    assert pushed.code != 0
    assert "ended with 3 twice before it was ready" in pushed.text
    assert "its last line: no config" in pushed.text
    assert "production is as it was before" in pushed.text
    assert verdict.at
    took = refused - verdict.at
    assert took < VERDICT_SECONDS, took
    assert moved.picture() == before
    assert moved.shop.is_settled()
    assert "colour" not in asking.answers[-1]


DROP = ("alter table notes drop price", "alter table notes add price int")
RENAME = ("alter table notes rename title to headline", "alter table notes rename headline to title")
DEMAND = ("alter table notes alter price set not null", "alter table notes alter price drop not null")


@pytest.mark.parametrize(
    ("prices", "change", "said"),
    [
        ("null", DROP, "notes.price is dropped"),
        ("1", RENAME, "notes.title is renamed to headline"),
        ("1", DEMAND, "notes.price becomes NOT NULL"),
    ],
)
def test_what_the_old_pods_cannot_bear_is_refused(
    moved: Moving, prices: str, change: tuple[str, str], said: str
) -> None:
    moved.sql(f"update notes set price = {prices}")
    before = moved.picture()
    contract = {"migrations/versions/0003_less.py": migration("0003", "0002", *change)}
    moved.site.commit("Contract", contract | with_variable(moved, "contract"))
    pushed = moved.site.push()
    assert pushed.code != 0
    overlap = "old and new pods of Deployment web overlap during the rollout"
    assert f"{overlap}, and the old ones cannot bear this: {said}" in pushed.text
    assert "-o expect-downtime" in pushed.text
    assert moved.picture() == before


def test_unless_downtime_is_expected_or_nothing_overlaps(moved: Moving) -> None:
    rename = migration(
        "0003", "0002", "alter table notes rename price to cost", "alter table notes rename cost to price"
    )
    moved.site.commit("Costs", {"migrations/versions/0003_cost.py": rename} | with_variable(moved, "costs"))
    assert moved.site.push().code != 0
    pushed = moved.site.push("-o", "expect-downtime", "main")
    assert pushed.code == 0, pushed.text
    assert (
        "warning: old pods of Deployment web will stumble over this: notes.price is renamed to cost"
        in pushed.text
    )
    again = migration(
        "0004", "0003", "alter table notes rename cost to price", "alter table notes rename price to cost"
    )
    strategy = ("    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}\n", "    type: Recreate\n")
    moved.site.release("Prices", {"migrations/versions/0004_price.py": again} | deployment(moved, strategy))
    moved.site.release("Roll", deployment(moved, strategy[::-1]))


JOBS = """
jobs:
  seed:
    service: web
    when: before-deploy
    command: [python, -c, "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True).execute(\\"insert into notes (title) values ('seeded')\\"); print('a note more')"]
checks:
  front-page: {service: web, http: PAGE}
  import: {service: web, command: [python, -c, "import app; print('can be imported')"]}
"""


def test_jobs_and_checks_run_with_what_the_service_has(moved: Moving, asking: Asking) -> None:
    config = (moved.site.folder / "gitops.yaml").read_text()
    moved.site.commit("Jobs", {"gitops.yaml": config + JOBS.replace("PAGE", "/")})
    said = moved.site.push().text  # the account has what the commits before needed
    where = moved.shop.namespace
    assert (
        f"the credential may not create, delete, get, list, watch jobs in {where}; add to its Role: " in said
    )
    assert f"the credential may not get services/proxy in {where}" not in said  # `gitops open` needs it too
    steps.grant(moved, "--any")
    pushed = moved.site.push()
    assert pushed.code == 0, pushed.text
    said = pushed.text
    assert "seed: a note more" in said
    assert "import: can be imported" in said
    wait("the note", lambda: "seeded" in asking.answers[-1])
    before = moved.picture()
    moved.site.commit(
        "No page",
        {"gitops.yaml": config + JOBS.replace("PAGE", "/gone, timeoutSeconds: 3")}
        | with_variable(moved, "no page"),
    )
    pushed = moved.site.push()
    assert pushed.code != 0
    assert "check front-page: /gone answered 404" in pushed.text
    now = moved.picture()
    assert now[:3] == before[:3]  # what a job has done to the rows stays
    jobs = moved.shop.cluster.api.get(moved.shop.path("jobs", api="/apis/batch/v1"))["items"]
    assert jobs == []
    moved.site.back()
    moved.site.release("No jobs", {"gitops.yaml": config})


def test_status_logs_and_open_show_what_runs_there(moved: Moving) -> None:
    steps.until_one_pod(moved)
    (pod,) = moved.pods()
    name = pod["metadata"]["name"]
    said = moved.gitops("status", "--live")
    assert f"release {_number(moved)}" in said
    assert "web: ready" in said
    moved.shop.edit("configmaps", "settings", {"data": {"GREETING": "by hand"}})
    assert "drift: ConfigMap settings was changed by hand" in moved.gitops("status", "--live")
    assert "drift: ConfigMap settings" in moved.gitops("recover")
    assert "drift" not in moved.gitops("status", "--live")
    # its first line: how often the page was asked for since then is up to the clients of other tests
    assert f"{name}: listening on 8080" in moved.gitops("logs", "--app", "web", "-n", "100000")
    with moved.goes_on("open", "--print") as lines:
        url = lines.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert "The schema came first," in answer.read().decode()


def test_logs_are_followed(moved: Moving) -> None:
    steps.until_one_pod(moved)
    with moved.goes_on("logs", "--app", "web", "-f", "-n", "1") as lines:
        assert lines.readline()
        with answered(moved, "?from-the-test") as answer:
            assert answer.status == 200
        assert any("GET /?from-the-test 200" in line for line in iter(lines.readline, ""))


def test_a_rollback_takes_cluster_and_database_back(moved: Moving, asking: Asking) -> None:
    moved.sql("update notes set price = null")
    before = moved.picture()
    add = migration("0005", "0004", "alter table notes add size int", "alter table notes drop size")
    moved.site.release("Sizes", with_variable(moved, "sized") | {"migrations/versions/0005_size.py": add})
    wait("the new page", lambda: "<th>size</th>" in asking.answers[-1])
    refused = moved.gitops("rollback", check=False)
    assert "-o expect-downtime" in refused  # the pods of the newer version cannot bear it
    said = moved.gitops("rollback", "-o", "expect-downtime")
    assert "production is as release" in said
    after = moved.picture()
    assert after[1:] == before[1:]
    wait("the old page", lambda: "<th>size</th>" not in asking.answers[-1])


def _number(moved: Moving) -> int:
    told = json.loads(moved.gitops("status", "--json"))
    return int(told["data"]["environments"]["production"]["released"]["number"])
