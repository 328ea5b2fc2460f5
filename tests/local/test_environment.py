"""What a process sees: its environment from nothing, its secrets, its files; nothing of ours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gitops_cli.adapters import secrets as operator
from gitops_cli.errors import Failed, Refused, StepTimeout
from gitops_cli.targets.local.environment import expand
from gitops_cli.targets.memory import Memory
from gitops_cli.targets.protocol import Task
from tests.local.conftest import APP, READY, Shop, alive, deployment, eventually, processes_of, service

ENV = """\
env:
  - {name: GREETING, value: "hello $(WHO) on $(PORT) $$(WHO) $(NOBODY)"}
  - {name: TOKEN, valueFrom: {secretKeyRef: {name: api, key: token}}}
  - {name: ADDRESS, value: "https://x:$(TOKEN)@example.org/"}
  - {name: COLOUR, valueFrom: {configMapKeyRef: {name: look, key: colour}}}
  - {name: ME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: PORT, value: "8000"}
  - {name: MAYBE, valueFrom: {secretKeyRef: {name: none, key: none, optional: true}}}
envFrom:
  - {prefix: LOOK_, configMapRef: {name: look}}
  - {prefix: API_, secretRef: {name: api}}
command: [python, -u, app.py, "--port=$(PORT)", "--who=$(WHO)"]
"""
WHO = "env:\n  - {name: WHO, value: world}\n" + ENV.removeprefix("env:\n")
LOOK = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: look}\ndata: {colour: blue, size: '7'}\n"
FILES: dict[str, str | bytes] = {
    "deploy/web.yaml": deployment(container=READY + "\n" + WHO) + "---\n" + service() + LOOK
}


def keep(folder: Path, name: str, key: str, value: str) -> None:
    """Put a value into the operator's store."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / key).write_text(value + "\n")


def test_the_environment_is_made_from_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "must not be seen")
    keep(shop.home.secrets, "api", "token", "s3cret")
    shop.release(FILES)
    env = shop.get("/env")["env"]
    port = env.pop("PORT")
    assert int(port) != 8000
    assert shop.get("/env")["argv"] == ["app.py", f"--port={port}", "--who=world"]
    path = env.pop("PATH").split(":")
    assert path[0].endswith("/bin")
    assert "gitops" not in "".join(path[1:])
    for name in ("HOME", "TMPDIR", "LC_CTYPE", "PWD", "SHLVL", "_"):
        env.pop(name, None)
    stable = shop.url().split(":")[2].strip("/")
    assert env == {
        "LANG": "C.UTF-8",
        "PORT_HTTP": port,
        "FROM_IMAGE": "yes",
        "LOOK_colour": "blue",
        "LOOK_size": "7",
        "API_token": "s3cret",
        "WHO": "world",
        "GREETING": f"hello world on {port} $(WHO) $(NOBODY)",
        "TOKEN": "s3cret",
        "ADDRESS": "https://x:s3cret@example.org/",
        "COLOUR": "blue",
        "ME": "web-1-0",
        "WEB_SERVICE_HOST": "127.0.0.1",
        "WEB_SERVICE_PORT": stable,
    }


def test_no_value_of_a_secret_is_written_down(shop: Shop) -> None:
    keep(shop.home.secrets, "api", "token", "s3cret-value")
    shop.release(FILES)
    for path in shop.home.state.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"s3cret-value" not in path.read_bytes(), path
    assert not any("s3cret-value" in line for line in shop.ours())


def test_a_secret_of_the_environment_comes_first(shop: Shop) -> None:
    keep(shop.home.secrets, "api", "token", "everywhere")
    assert operator.resolve(shop.home, "production", "api", "token") == "everywhere"
    keep(shop.home.secrets / "production", "api", "token", "here")
    assert operator.resolve(shop.home, "production", "api", "token") == "here"
    assert operator.resolve(shop.home, "staging", "api", "token") == "everywhere"
    assert operator.keys(shop.home, "production", "api") == ["token"]


@pytest.mark.parametrize(
    ("name", "key"), [("..", "remote.yaml"), ("api", "../api/token"), ("api/..", "x"), ("", "")]
)
def test_a_secrets_name_leads_nowhere_else(shop: Shop, name: str, key: str) -> None:
    keep(shop.home.secrets, "api", "token", "x")
    shop.home.config.write_text("x")
    assert operator.resolve(shop.home, "production", name, key) is None


def test_a_missing_secret_is_refused_by_name(shop: Shop) -> None:
    with pytest.raises(Refused, match="web wants the secret api, which the operator's store does not have"):
        shop.begin(shop.commit(FILES))
    assert shop.ours() == []


def test_expansion_is_kubernetes_own() -> None:
    assert expand("$(A) $$(A) $(B) $ $( $$", {"A": "1"}) == "1 $(A) $(B) $ $( $"


@pytest.mark.row(39)
def test_the_application_sees_nothing_of_the_remote(shop: Shop) -> None:
    if shop.level.value == "none":
        pytest.skip("no sandbox on this machine")
    keep(shop.home.secrets, "api", "token", "x")
    look = (
        "import os, sys\n"
        "path = sys.argv[1]\n"
        "try: print('SEEN', os.listdir(path) if os.path.isdir(path) else open(path).read())\n"
        "except OSError: print('hidden')\n"
    )
    wanted = shop.commit({"look.py": look})
    shop.target.prepare(wanted, Memory(), shop.watch)
    for path in (shop.home.secrets, shop.home.repo, shop.home.state / "local" / "production" / "wanted.json"):
        task = Task(name="look", service="web", command=("python", "look.py", str(path)), timeout=30)
        shop.target.run(task, wanted, Memory(), shop.watch)
    assert shop.watch.lines[-3:] == ["look: hidden"] * 3


def test_a_job_runs_with_the_services_environment(shop: Shop) -> None:
    keep(shop.home.secrets, "api", "token", "s3cret")
    wanted, record = shop.commit(FILES), Memory()
    shop.target.prepare(wanted, record, shop.watch)
    code = "import os; e = os.environ; print(e['TOKEN'] == 's3cret', e['FROM_IMAGE'], os.listdir('.')[:0])"
    shop.target.run(
        Task(name="look", service="web", command=("python", "-c", code), timeout=30),
        wanted,
        record,
        shop.watch,
    )
    assert shop.watch.lines[-1] == "look: True yes []"
    assert isinstance(record.facts["process"], dict)


def test_a_job_that_fails_says_its_last_line(shop: Shop) -> None:
    wanted = shop.commit()
    shop.target.prepare(wanted, Memory(), shop.watch)
    task = Task(
        name="sweep", service="web", command=("sh", "-c", "echo the broom is broken; exit 5"), timeout=30
    )
    with pytest.raises(
        Failed, match=r"sweep ended with 5, its last line: the broom is broken.*; next: mend it"
    ):
        shop.target.run(task, wanted, Memory(), shop.watch)


@pytest.mark.row(36)
def test_a_job_that_never_ends_is_ended_with_all_that_it_started(shop: Shop) -> None:
    wanted, record = shop.commit(), Memory()
    shop.target.prepare(wanted, record, shop.watch)
    task = Task(name="sleep", service="web", command=("sh", "-c", "setsid sleep 987 & sleep 987"), timeout=1)
    with pytest.raises(StepTimeout, match="sleep did not end within 1 s"):
        shop.target.run(task, wanted, record, shop.watch)
    found = record.facts["process"]
    assert isinstance(found, dict)
    assert not alive(int(str(found["pid"])))
    eventually(lambda: not processes_of("sleep 987"))


@pytest.mark.row(38)
def test_hostile_output_is_kept_bounded_and_whole_lines_come_back(shop: Shop) -> None:
    app = (
        'import sys\nsys.stdout.buffer.write(b"\\x1b[2J\\xff\\r fake\\n" + b"y" * 100_000 + b"\\n")\n'
        'for n in range(60_000): print("line", n, "z" * 60)\nsys.stdout.flush()\n'
    )
    shop.release({"app.py": app + APP})
    logs = shop.home.local("production") / "logs"
    assert sum(f.stat().st_size for f in logs.iterdir()) < 3 * 1024 * 1024
    lines = list(shop.target.logs("web", follow=False, lines=3))
    assert lines[-1] == "web.0: listening as v1"
    assert lines[-2].startswith("web.0: line 59999")
    json.dumps(lines)


def test_logs_follow_what_comes(shop: Shop) -> None:
    shop.release()
    following = shop.target.logs("web", follow=True, lines=1)
    assert next(following) == "web.0: listening as v1"
    shop.release()
    assert next(following) == "web.0: listening as v2"


def test_no_descriptor_and_no_variable_of_ours_reaches_the_supervisor(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "must not be seen")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        shop.release()
        supervisor = shop.supervisor()
        process = Path("/proc", str(supervisor))
        assert b"OURS" not in (process / "environ").read_bytes()
        theirs = {str(path.readlink()) for path in (process / "fd").iterdir()}
        assert str(Path(f"/proc/self/fd/{writing}").readlink()) not in theirs
        assert os.getsid(supervisor) == supervisor
    finally:
        os.close(reading)
        os.close(writing)
