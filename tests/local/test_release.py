"""Releases on the local target: a set starts beside the old one, takes over, is taken back, ends."""

from __future__ import annotations

import os
import signal

import pytest

from gitops_cli.adapters.files import remove_tree
from gitops_cli.errors import Unhealthy
from gitops_cli.targets.local import client, target
from gitops_cli.targets.memory import Memory
from tests.local.conftest import APP, READY, Shop, alive, deployment, eventually, refused, service

NEVER = "readinessProbe: {httpGet: {path: /never, port: http}, periodSeconds: 1}"
CRASH = 'import sys; print("first words"); print("\\x1b[31mlast words", flush=True); sys.exit(7)\n'


def test_the_first_release_serves(shop: Shop) -> None:
    wanted = shop.release()
    found = shop.get()
    assert found["version"] == "v1"
    assert found["cwd"] == "/app" or not shop.level.namespaced
    live = shop.target.live()
    assert (live.commit, live.release) == (wanted.commit, 1)
    assert [(p.workload, p.ready, p.restarts) for p in live.processes] == [("web", True, 0)]


def test_the_new_version_takes_over_at_the_same_port_and_the_old_one_ends(shop: Shop) -> None:
    shop.release()
    url, old = shop.url(), shop.get()["pid"]
    host_pids = shop.pids()
    shop.release()
    assert (shop.url(), shop.get()["version"]) == (url, "v2")
    eventually(lambda: not any(map(alive, host_pids)))
    assert old
    assert len(shop.pids()) == 1


@pytest.mark.row(80)
def test_a_version_that_never_becomes_ready_is_refused_and_the_old_one_serves_on(shop: Shop) -> None:
    shop.release()
    before, url = shop.pids(), shop.url()
    wanted = shop.commit({"deploy/web.yaml": deployment(container=NEVER) + "---\n" + service()})
    with pytest.raises(Unhealthy, match="web was not ready within 8 s: /never answered 503"):
        shop.begin(wanted, shop.another(timeout=8))
    assert "web: listening as v2" in shop.watch.lines
    assert shop.get()["version"] == "v1"
    shop.target.put_back(shop.record)
    assert (shop.pids(), shop.url(), shop.get()["version"]) == (before, url, "v1")
    assert shop.target.live().commit != wanted.commit


@pytest.mark.row(80)
def test_a_version_that_ends_twice_is_refused_at_once_with_its_last_lines(shop: Shop) -> None:
    shop.release()
    before = shop.pids()
    with pytest.raises(
        Unhealthy, match=r"web ended with 7 twice before it was ready, its last line: .*last words"
    ):
        shop.begin(shop.commit({"app.py": CRASH}))
    assert "web: first words" in shop.watch.lines
    shop.target.put_back(shop.record)
    assert (shop.pids(), shop.get()["version"]) == (before, "v1")


def test_a_server_that_chose_its_own_port_is_told_where_to_listen(shop: Shop) -> None:
    elsewhere = APP.replace('int(os.environ["PORT"])', "0")
    lively = READY + (
        "\nlivenessProbe: {tcpSocket: {port: http}, initialDelaySeconds: 4, periodSeconds: 1, failureThreshold: 1}"
    )
    wanted = shop.commit(
        {"app.py": elsewhere, "deploy/web.yaml": deployment(container=lively) + "---\n" + service()}
    )
    with pytest.raises(Unhealthy) as refused:
        shop.begin(wanted)
    assert refused.value.cause == "web did not listen on $PORT, twice, its last line: listening as v1"
    assert refused.value.next_command.startswith("start the server on $PORT")
    shop.target.put_back(shop.record)
    wanted = shop.commit(
        {"app.py": elsewhere, "deploy/web.yaml": deployment(container=READY) + "---\n" + service()}
    )
    said = r"not ready within 4 s: nobody listens .* start the server on \$PORT"
    with pytest.raises(Unhealthy, match=said):
        shop.begin(wanted, shop.another(timeout=4))
    shop.target.put_back(shop.record)


def test_a_first_release_that_is_taken_back_leaves_nothing(shop: Shop) -> None:
    with pytest.raises(Unhealthy):
        shop.begin(shop.commit({"app.py": CRASH}))
    shop.target.put_back(shop.record)
    shop.target.put_back(shop.record)
    assert shop.ours() == []
    assert shop.target.live().commit == ""


def test_after_the_switch_the_old_set_stays_until_retire_and_comes_back_at_once(shop: Shop) -> None:
    shop.release()
    old = shop.pids()
    record = shop.begin(shop.commit())
    assert shop.get()["version"] == "v2"
    assert all(map(alive, old))
    shop.another().put_back(record)  # by another process, after a crash
    assert (shop.pids(), shop.get()["version"]) == (old, "v1")


def test_put_back_without_a_single_note_changes_nothing(shop: Shop) -> None:
    shop.release()
    before = shop.pids()
    shop.target.put_back(Memory())
    assert (shop.pids(), shop.get()["version"]) == (before, "v1")


def test_put_back_with_a_dead_supervisor_lets_the_old_version_serve(shop: Shop) -> None:
    shop.release()
    record = shop.begin(shop.commit())
    os.kill(shop.supervisor(), signal.SIGKILL)
    shop.target.put_back(record)
    assert shop.get()["version"] == "v1"
    assert len(shop.pids()) == 1


def test_a_killed_supervisor_takes_its_processes_along_and_heal_brings_all_back(shop: Shop) -> None:
    wanted = shop.release()
    url, old = shop.url(), shop.pids()
    os.kill(shop.supervisor(), signal.SIGKILL)
    eventually(lambda: not any(map(alive, old)))
    live = shop.target.live()
    assert (live.commit, live.processes, live.urls["web"] + "/") == (wanted.commit, (), url)
    assert shop.target.heal(wanted) == ["started the supervisor of production"]
    assert (shop.url(), shop.get()["version"]) == (url, "v1")
    assert shop.target.heal(wanted) == []


def test_a_supervisor_whose_socket_was_swept_opens_it_again(shop: Shop) -> None:
    wanted = shop.release()
    supervisor, old = shop.supervisor(), shop.pids()
    remove_tree(shop.home.runtime_place)
    assert shop.target.heal(wanted) == []
    assert (shop.supervisor(), shop.pids()) == (supervisor, old)
    remove_tree(shop.home.runtime_place)
    shop.release()
    assert (shop.supervisor(), shop.get()["version"]) == (supervisor, "v2")


@pytest.mark.parametrize("why", ["it hangs", "another token"])
def test_a_supervisor_that_cannot_be_reached_is_replaced(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr(client, "PING_SECONDS", 0.2)
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.2)
    wanted = shop.release()
    supervisor, old = shop.supervisor(), shop.pids()
    if why == "it hangs":
        os.kill(supervisor, signal.SIGSTOP)
    else:
        (shop.home.local("production") / "token").unlink()
    assert shop.target.heal(wanted) == ["started the supervisor of production"]
    assert not alive(supervisor)
    assert not any(map(alive, old))
    assert shop.get()["version"] == "v1"
    monkeypatch.undo()  # the new one may take its time to answer
    assert shop.target.heal(wanted) == []


def test_a_supervisor_that_hangs_is_stopped_all_the_same(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PING_SECONDS", 0.2)
    monkeypatch.setattr(target, "MOST_GRACE", 5.0)
    shop.release()
    os.kill(shop.supervisor(), signal.SIGSTOP)
    shop.target.stop()
    assert shop.ours() == []


def test_heal_ends_what_an_interrupted_release_left(shop: Shop) -> None:
    wanted = shop.release()
    shop.begin(shop.commit())
    with_both = len(shop.pids())
    assert with_both == 2
    shop.another().put_back(shop.record)
    shop.begin(shop.commit())  # serves now, and the ref never moved
    assert shop.get()["version"] == "v3"
    said = shop.target.heal(wanted)
    assert said == [f"started release 1 ({wanted.commit[:7]})"]
    assert shop.get()["version"] == "v1"
    eventually(lambda: len(shop.pids()) == 1)


def test_heal_begins_anew_when_the_state_is_lost_or_garbage(shop: Shop) -> None:
    wanted = shop.release()
    shop.target.stop()
    (shop.home.local("production") / "wanted.json").write_bytes(b"\0\0garbage")
    said = shop.target.heal(wanted)
    assert len(said) == 2
    assert "cannot be read" in said[0]
    assert shop.get()["version"] == "v1"


def test_heal_of_nothing_stops_everything(shop: Shop) -> None:
    shop.release()
    assert shop.target.heal(None) == ["stopped what ran: nothing is released"]
    assert shop.ours() == []
    assert shop.target.heal(None) == []


def test_stop_leaves_no_process_and_closes_the_ports(shop: Shop) -> None:
    shop.release()
    port = int(shop.url().split(":")[2].strip("/"))
    shop.target.stop()
    assert shop.ours() == []
    assert refused(port)


def test_an_application_that_is_killed_is_started_again(shop: Shop) -> None:
    shop.release({"deploy/web.yaml": deployment(container=READY, spec="replicas: 2") + "---\n" + service()})
    assert len(shop.pids()) == 2
    killed = shop.pids()[0]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not alive(killed))  # what it takes while it dies is lost
    for _ in range(20):
        assert shop.get()["version"] == "v1"  # the other replica serves meanwhile
    live = eventually(lambda: (f := shop.target.live()).detail["ready"] and f)
    assert sorted(p.restarts for p in live.processes) == [0, 1]


def test_a_process_that_keeps_dying_is_started_with_growing_pauses(shop: Shop) -> None:
    """It prints when it starts: the times between the starts at least double."""
    shop.release()
    for n in range(3):
        pid = eventually(shop.pids)[0]
        shop.get()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda n=n: shop.target.live().processes[0].restarts > n)  # type: ignore[misc]
    assert shop.target.live().processes[0].reason == "ended by signal 9"
    assert shop.get()["version"] == "v1"
    log = (shop.home.local("production") / "logs" / "web.web.0.log").read_bytes().splitlines()
    starts = [float(line.split()[0]) for line in log if b"listening" in line]
    assert starts[2] - starts[1] > 0.5
    assert starts[3] - starts[2] > 1


def test_a_liveness_probe_restarts(shop: Shop) -> None:
    ill = "livenessProbe: {httpGet: {path: /never, port: http}, periodSeconds: 1, failureThreshold: 2}"
    shop.release({"deploy/web.yaml": deployment(container=READY + "\n" + ill) + "---\n" + service()})
    eventually(lambda: shop.target.live().processes[0].restarts)

    def starts() -> int:
        return list(shop.target.logs("web", follow=False, lines=50)).count("web.0: listening as v1")

    eventually(lambda: starts() >= 2)


@pytest.mark.parametrize(
    "probe",
    [
        "readinessProbe: {tcpSocket: {port: 8000}}",
        'readinessProbe: {exec: {command: [python, -c, \'import os, socket; socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))\']}}',
        "startupProbe: {httpGet: {path: /, port: 8000}}\nreadinessProbe: {httpGet: {path: /, port: http}, successThreshold: 2, periodSeconds: 1}",
        "",
    ],
    ids=["tcp", "exec", "startup", "none"],
)
def test_probes(shop: Shop, probe: str) -> None:
    shop.release({"deploy/web.yaml": deployment(container=probe) + "---\n" + service()})
    assert shop.get()["version"] == "v1"


def test_recreate_stops_first_and_put_back_starts_the_old_one_again(shop: Shop, free: int) -> None:
    fixed = f"""\
        command: [python, -u, app.py]
        env: [{{name: LISTEN, value: "{free}"}}]
        readinessProbe: {{tcpSocket: {{port: {free}}}}}
        """
    text = deployment(container=fixed, spec="strategy: {type: Recreate}").replace("8000", str(free))
    files: dict[str, str | bytes] = {"deploy/web.yaml": text + "---\n" + service()}
    app = APP.replace('"PORT"', '"LISTEN"')
    shop.release({**files, "app.py": app})
    assert shop.get()["version"] == "v1"
    shop.release({**files, "app.py": app})
    assert shop.get()["version"] == "v2"
    with pytest.raises(Unhealthy):
        shop.begin(shop.commit({**files, "app.py": CRASH}))
    shop.target.put_back(shop.record)
    assert shop.get()["version"] == "v2"


def test_an_init_container_runs_first(shop: Shop) -> None:
    pod = "initContainers:\n  - {name: first, image: web, command: [sh, -c, 'echo prepared']}"
    shop.release({"deploy/web.yaml": deployment(container=READY, pod=pod) + "---\n" + service()})
    assert "web.0: prepared" in list(shop.target.logs("web", follow=False, lines=50))


def test_an_init_container_that_fails_is_refused(shop: Shop) -> None:
    pod = "initContainers:\n  - {name: first, image: web, command: [sh, -c, 'echo not today; exit 4']}"
    with pytest.raises(
        Unhealthy, match="web/first ended with 4 twice before it was ready, its last line: not today"
    ):
        shop.begin(
            shop.commit({"deploy/web.yaml": deployment(container=READY, pod=pod) + "---\n" + service()})
        )
    shop.target.put_back(shop.record)


ASKING = APP.replace(
    'if self.path == "/die":',
    """if self.path == "/asks":
            import urllib.request
            at = os.environ["API_SERVICE_HOST"] + ":" + os.environ["API_SERVICE_PORT"]
            urllib.request.urlopen("http://" + at + "/", timeout=2).close()
        if self.path == "/die":""",
)


@pytest.mark.parametrize("first", [True, False])
def test_a_new_service_may_need_another_new_one_to_become_ready(shop: Shop, first: bool) -> None:
    if not first:
        shop.release()
    web = deployment(container=READY.replace("path: /", "path: /asks")) + "---\n" + service()
    api = deployment("api", container=READY) + "---\n" + service("api")
    wanted = shop.commit({"app.py": ASKING, "deploy/web.yaml": web, "deploy/api.yaml": api})
    shop.begin(wanted, shop.another(timeout=15))
    assert shop.get("/asks")["version"] == shop.get(name="api")["version"] == f"v{shop.number}"
    shop.target.put_back(shop.record)
    assert set(shop.target.live().urls) == (set() if first else {"web"})
    if not first:
        assert shop.get()["version"] == "v1"
