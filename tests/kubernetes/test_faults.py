"""What a client does when the server, or what is between, fails: tried again or told, and never half."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitops_cli.adapters import processes
from gitops_cli.adapters.kubernetes import wire
from gitops_cli.adapters.kubernetes.access import Access
from gitops_cli.adapters.kubernetes.client import Client, Watched
from gitops_cli.adapters.kubernetes.problems import AnswerLost, ApiProblem
from gitops_cli.errors import GitopsError, Unavailable
from tests.cluster.faults import Cut, Delay, LoseAnswer, LoseRequest, Status
from tests.cluster.proxy import EXPIRED, OTHER_NAME, STRANGER
from tests.kubernetes.bodies import config_map

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitops_cli.adapters.kubernetes.objects import Kind
    from tests.cluster.faults import Fault
    from tests.cluster.proxy import Certificates, Proxy

pytestmark = [pytest.mark.cluster, pytest.mark.row(77)]
RESET, LOST, CUT = LoseRequest(), LoseAnswer(), Cut(100)
BROKEN = [Status(500), Status(502), Status(503), Status(504), RESET, LOST, CUT]
NAMES = ["500", "502", "503", "504", "reset", "lost", "cut"]


@pytest.fixture
def access(proxy: Proxy, proxy_certificates: Certificates, administrator: Access) -> Access:
    """The way through the proxy, that shows no fault yet."""
    return msgspec.structs.replace(
        administrator, server=proxy.url, ca=proxy_certificates.authority.read_text()
    )


@pytest.fixture
def make_through(access: Access, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Make clients of the proxy."""
    made: list[Client] = []

    def make(patience: float = 15.0) -> Client:
        made.append(Client(access, state=tmp_path / "through", patience=patience))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def through(make_through: Callable[..., Client]) -> Client:
    return make_through()


def told(call: Callable[[], object]) -> GitopsError:
    """Give what a call raises, and hold it against what every sentence must be."""
    with pytest.raises(GitopsError) as caught:
        call()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return caught.value


@pytest.mark.parametrize("fault", BROKEN, ids=NAMES)
@pytest.mark.parametrize("number", [1, 3])
def test_an_apply_is_tried_again_until_it_is_done(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str, *, fault: Fault, number: int
) -> None:
    proxy.on("PATCH", "", fault, times=number)
    answer = through.apply(config_maps, namespace, config_map("c"))
    assert len(proxy.seen) == number + 1
    assert through.get(config_maps, namespace, "c") == answer


@pytest.mark.parametrize("fault", BROKEN, ids=NAMES)
def test_a_read_is_tried_again(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str, fault: Fault
) -> None:
    through.apply(config_maps, namespace, config_map("c"))
    proxy.on("GET", "", fault, times=2)
    assert len(through.list_seen(config_maps, namespace, selector="gitops-cli/app=shop")) == 1


@pytest.mark.parametrize("fault", BROKEN, ids=NAMES)
def test_a_creation_whose_answer_is_lost_is_settled_by_what_is_there(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str, fault: Fault
) -> None:
    proxy.on("POST", "", fault)
    made = through.create(config_maps, namespace, config_map("job"))
    assert through.get(config_maps, namespace, "job") == made
    posts = [one for one in proxy.seen if one.method == "POST"]
    assert len(posts) == 2


def test_a_creation_that_somebody_else_was_before_is_no_success(
    proxy: Proxy, through: Client, client: Client, config_maps: Kind, namespace: str
) -> None:
    """The request was lost on the way, and meanwhile another one made an object of that name."""
    client.create(config_maps, namespace, config_map("job", "theirs"))
    proxy.on("POST", "", RESET)
    problem = told(partial(through.create, config_maps, namespace, config_map("job", "ours")))
    assert problem.code == "kubernetes.exists"
    found = client.get(config_maps, namespace, "job")
    assert found
    assert found["data"] == {"key": "theirs"}


@pytest.mark.parametrize("fault", BROKEN, ids=NAMES)
def test_a_deletion_whose_answer_is_lost_is_settled(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str, fault: Fault
) -> None:
    uid = through.apply(config_maps, namespace, config_map("c"))["metadata"]["uid"]
    proxy.on("DELETE", "", fault)
    assert through.delete(config_maps, namespace, "c", uid=uid)
    assert through.get(config_maps, namespace, "c") is None


def test_a_lost_deletion_does_not_hit_the_object_that_came_after(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = through.apply(config_maps, namespace, config_map("c"))["metadata"]["uid"]

    def meanwhile(_seconds: float) -> bool:
        """Another one makes an object of that name while we wait to ask again."""
        through.apply(config_maps, namespace, config_map("c", "new"))
        return False

    monkeypatch.setattr(through.wire.hurry, "wait", meanwhile)
    proxy.on("DELETE", "", LOST)
    assert through.delete(config_maps, namespace, "c", uid=uid)
    assert [seen.method for seen in proxy.seen].count("DELETE") == 2
    found = through.get(config_maps, namespace, "c")
    assert found
    assert found["data"] == {"key": "new"}


def test_a_deletion_of_a_name_alone_is_never_sent_twice(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str
) -> None:
    through.apply(config_maps, namespace, config_map("c"))
    proxy.on("DELETE", "", LOST, times=9)
    error = told(partial(through.delete, config_maps, namespace, "c"))
    assert isinstance(error, AnswerLost)
    assert len([one for one in proxy.seen if one.method == "DELETE"]) == 1


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str
) -> None:
    through.apply(config_maps, namespace, config_map("c"))
    proxy.on("GET", "", Delay(30.0))
    path = config_maps.path(namespace, "c")
    assert through.request("GET", path, timeout=1.0)["metadata"]["name"] == "c"


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str, status: int
) -> None:
    proxy.on("PATCH", "", Status(status, 2))
    start = time.monotonic()
    through.apply(config_maps, namespace, config_map("c"))
    assert time.monotonic() - start >= 2.0


def test_429_means_that_nothing_was_done_so_everything_is_tried_again(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str
) -> None:
    through.apply(config_maps, namespace, config_map("c"))
    proxy.on("DELETE", "", Status(429), times=3)
    assert through.delete(config_maps, namespace, "c")


def test_many_that_are_told_to_wait_do_not_come_back_at_once(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str
) -> None:
    proxy.on("PATCH", "", Status(429, 1), times=16)
    bodies = [config_map(f"c{number}") for number in range(16)]
    answers = through.together(partial(through.apply, config_maps, namespace, body) for body in bodies)
    assert not [one for one in answers if isinstance(one, Exception)]
    come = [seen.time for seen in proxy.seen if seen.fault is None]
    assert len(come) == 16
    assert max(come) - min(come) > 0.05


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        (Status(429, 1, message="too many"), "kubernetes.busy", "too many (429)"),
        (Status(429, 3600, message="come tomorrow"), "kubernetes.busy", "come tomorrow (429)"),
        (Status(500, message="webhook down"), "kubernetes.busy", "webhook down (500)"),
        (Status(503, message="no leader"), "kubernetes.busy", "no leader (503)"),
        (RESET, "kubernetes.lost", "did not answer"),
        (LOST, "kubernetes.lost", "did not answer"),
        (CUT, "kubernetes.lost", "did not answer"),
    ],
    ids=["429", "429-long", "500", "503", "reset", "lost", "cut"],
)
def test_what_does_not_end_is_told_in_one_sentence(
    proxy: Proxy,
    make_through: Callable[..., Client],
    config_maps: Kind,
    namespace: str,
    *,
    fault: Fault,
    code: str,
    says: str,
) -> None:
    proxy.on("*", "", fault, times=10**6)
    impatient = make_through(2.0)
    error = told(partial(impatient.apply, config_maps, namespace, config_map("c")))
    assert error.code == code
    assert says in error.cause
    assert impatient.access.token.removeprefix("Bearer ") not in repr(error) + str(error)


def test_an_object_that_changes_all_the_time_is_tried_a_few_times(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str
) -> None:
    race = Status(
        409,
        reason="Conflict",
        message="the object has been modified; please apply your changes to the latest",
    )
    proxy.on("PATCH", "", race, times=2)
    through.apply(config_maps, namespace, config_map("c"))
    assert len(proxy.seen) == 3
    proxy.on("PATCH", "", race, times=10**6)
    error = told(partial(through.apply, config_maps, namespace, config_map("c", "2")))
    assert error.code == "kubernetes.conflict"
    assert len(proxy.seen) == 3 + 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_what_the_server_refuses_is_not_tried_again(
    proxy: Proxy, through: Client, config_maps: Kind, namespace: str, status: int
) -> None:
    proxy.on("*", "", Status(status, message="no"), times=10**6)
    error = told(partial(through.apply, config_maps, namespace, config_map("c")))
    assert isinstance(error, ApiProblem)
    assert error.status == status
    assert len(proxy.seen) == 1


def test_an_answer_that_is_no_status_is_told_too(
    proxy: Proxy, make_through: Callable[..., Client], config_maps: Kind, namespace: str
) -> None:
    """The page of a load balancer that has lost its server."""
    client = make_through(0.0)
    made = partial(client.apply, config_maps, namespace, config_map("c"))
    proxy.on("*", "", Status(502, page=b"<html>Bad Gateway</html>"))
    error = told(made)
    assert error.code == "kubernetes.busy"
    assert error.cause == "ConfigMap c: <html>Bad Gateway</html> (502)"


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[Client]:
    """A client of a server that is not there."""
    access = Access(server=f"https://127.0.0.1:{processes.free_port()}", token="Bearer secret")
    made = Client(access, state=tmp_path, patience=0.5)
    yield made
    made.close()


def test_nobody_listens(nobody: Client, config_maps: Kind) -> None:
    start = time.monotonic()
    error = told(partial(nobody.get, config_maps, "default", "c"))
    assert error.code == "kubernetes.unreachable"
    assert "cannot be reached (Connection refused)" in error.cause
    assert time.monotonic() - start < 30


def test_when_the_server_is_gone_the_rest_of_many_calls_does_not_begin(
    nobody: Client, config_maps: Kind
) -> None:
    begun: list[int] = []

    def call(number: int) -> object:
        begun.append(number)
        return nobody.get(config_maps, "default", f"c{number}")

    answers = nobody.together(partial(call, number) for number in range(500))
    assert len(answers) == 500
    assert {type(one) for one in answers} == {Unavailable}
    assert len(begun) <= 32


def test_a_watch_that_breaks_goes_on_where_it_was(
    proxy: Proxy, through: Client, client: Client, config_maps: Kind, namespace: str
) -> None:
    proxy.on("GET", "watch=true", Cut(1000), times=4)  # in the middle of an event
    end = time.monotonic() + 60
    with through.mirror([Watched(config_maps, namespace, "gitops-cli/app=shop")]) as mirror:
        for number in range(8):
            client.apply(config_maps, namespace, config_map("c", str(number)))
        while [body["data"]["key"] for body in mirror.of(config_maps)] != ["7"]:
            mirror.wait(1.0)
            assert time.monotonic() < end
    lists = [seen for seen in proxy.seen if "watch=true" not in seen.path]
    assert len(lists) == 1


def test_a_mirror_outlives_a_server_that_is_down_for_a_moment(
    proxy: Proxy, through: Client, client: Client, config_maps: Kind, namespace: str
) -> None:
    end = time.monotonic() + 60
    with through.mirror([Watched(config_maps, namespace, "gitops-cli/app=shop")]) as mirror:
        with proxy.down():
            client.apply(config_maps, namespace, config_map("c"))
        while not mirror.of(config_maps):
            mirror.wait(1.0)
            assert time.monotonic() < end


def test_a_mirror_of_a_server_that_is_gone_says_so_and_ends(
    proxy: Proxy, make_through: Callable[..., Client], config_maps: Kind, namespace: str
) -> None:
    impatient = make_through(0.5)
    with impatient.mirror([Watched(config_maps, namespace)]) as mirror, proxy.down():
        mirror.wait(0.0)

        def wait() -> None:
            while True:
                mirror.wait(60.0)

        assert told(wait).code == "kubernetes.unreachable"


def test_a_credential_that_expires_again_and_again_is_read_anew_each_time(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent outlives many tokens; one that is never accepted is not asked for without end."""
    now = 100.0
    monkeypatch.setattr(wire, "monotonic", lambda: now)
    found = wire.Wire(access, renew=lambda: msgspec.structs.replace(access))
    assert found.renewed(found.access)
    assert not found.renewed(found.access)
    now += 900
    assert found.renewed(found.access)


@pytest.mark.parametrize(
    ("certificate", "says"),
    [
        (STRANGER, "of an authority that we do not trust (wrong CA)"),
        (OTHER_NAME, "is for another"),
        (EXPIRED, "has expired"),
    ],
)
def test_a_certificate_that_is_not_to_be_trusted_is_told_at_once(
    proxy: Proxy, through: Client, config_maps: Kind, certificate: str, says: str
) -> None:
    proxy.present(certificate)
    error = told(partial(through.get, config_maps, "default", "c"))
    assert (error.code, through.sent) == ("kubernetes.certificate", 1)
    assert says in error.cause
    assert proxy.seen == []  # no credential was sent


def test_the_name_in_a_certificate_can_be_said(
    proxy: Proxy, access: Access, tmp_path: Path, config_maps: Kind
) -> None:
    proxy.present(OTHER_NAME)
    there = msgspec.structs.replace(access, server=proxy.url, tls_name="elsewhere.invalid")
    client = Client(there, state=tmp_path)
    assert client.get(config_maps, "default", "kube-root-ca.crt")
    client.close()


def test_an_answer_of_something_else_is_told(proxy: Proxy, through: Client, config_maps: Kind) -> None:
    proxy.on("GET", "", Status(200, page=b"<html>Log in</html>"))
    error = told(partial(through.get, config_maps, "default", "c"))
    assert error.code == "kubernetes.other"
