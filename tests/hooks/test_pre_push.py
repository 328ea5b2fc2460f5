"""pre-push: reads the commits, says what the remote would say, costs little, and is never in the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gitops_cli
from gitops_cli.adapters.git import settings
from tests.hooks.conftest import REMOTE, ZERO

if TYPE_CHECKING:
    from tests.hooks.conftest import Push

ENTRY = Path(gitops_cli.__file__).parent / "hooks" / "entry.py"
PATHS = ":".join(settings.import_paths())
APP = {
    "gitops.yaml": b"version: 1\nname: shop\nservices:\n  web: {}\nmanifests: deploy\n",
    "Dockerfile": b'FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n',
    "deploy/web.yaml": b"""\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}}
""",
}
MORE = {
    f"deploy/c{n}.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\ndata: {a: b}\n" % n
    for n in range(19)
}


@pytest.fixture
def hooked(remote: Push, tmp_path: Path) -> Push:
    """A clone with the hook; its remote has no hooks, and `main` releases there."""
    bare = tmp_path / "there" / "repo.git"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
    (tmp_path / "there" / "remote.yaml").write_text(REMOTE)
    remote.git("remote", "set-url", "gitops", str(bare))
    hook = remote.folder / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_bytes(settings.hook_text("pre-push", sys.executable, settings.import_paths()))
    hook.chmod(0o755)
    return remote


def test_a_project_without_gitops_is_left_alone(hooked: Push) -> None:
    answer = hooked.push("main")
    assert answer.code == 0
    assert "gitops:" not in answer.text


def test_a_good_commit_passes_in_silence_and_dry_run_shows_the_plan(hooked: Push) -> None:
    hooked.commit(APP | MORE)
    answer = hooked.push("main")
    assert (answer.code, "gitops:" in answer.text) == (0, False), answer.text
    hooked.commit({"deploy/c1.yaml": MORE["deploy/c1.yaml"] + b"# x\n", "app.py": b""})
    hooked.git("rm", "-q", "deploy/c2.yaml")
    new = hooked.commit({"deploy/new.yaml": MORE["deploy/c2.yaml"]})
    text = hooked.push("--dry-run", "main").text
    assert f"gitops: main would become {new[:7]}: 20 manifests" in text
    assert [line.split(None, 1)[1] for line in text.splitlines() if line.startswith("gitops:   ")] == [
        "change deploy/c1.yaml",
        "remove deploy/c2.yaml",
        "add deploy/new.yaml",
        "1 other file changed",
    ]


def test_the_commit_is_read_not_the_working_tree(hooked: Push) -> None:
    hooked.commit(APP | {"deploy/web.yaml": b"kind: Deployment\nkind: Other\n"})
    (hooked.folder / "deploy" / "web.yaml").write_bytes(APP["deploy/web.yaml"])
    answer = hooked.push("main")
    assert answer.code != 0
    assert "gitops: deploy/web.yaml:2:" in answer.text
    assert hooked.git("ls-remote", "gitops") == ""
    assert hooked.push("--no-verify", "main").code == 0


WRONG = {"deploy/web.yaml": b"kind: Deployment\nkind: Other\n"}


@pytest.mark.parametrize("push", [("gitops", "HEAD:wip"), ("origin", "main"), ("{url}", "main")])
def test_what_releases_nothing_is_only_warned_of(hooked: Push, tmp_path: Path, push: tuple[str, str]) -> None:
    plain = tmp_path / "plain.git"
    subprocess.run(["git", "init", "-q", "--bare", str(plain)], check=True)
    hooked.git("remote", "add", "origin", str(plain))
    hooked.commit(APP | WRONG)
    where, refspec = push[0].format(url=f"file://{plain}"), push[1]
    done = subprocess.run(
        ["git", "-C", str(hooked.folder), "push", where, refspec], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    branch = refspec.rpartition(":")[2]
    assert "gitops: deploy/web.yaml:2:" in done.stderr
    assert f"for {branch} (a warning only: {branch} is not known to release there)" in done.stderr


@pytest.mark.parametrize(
    "push", [("gitops", "main", "HEAD:wip"), ("gitops", "HEAD:wip", "main"), ("{url}", "main")]
)
def test_what_releases_is_refused_whatever_is_pushed_with_it(hooked: Push, push: tuple[str, ...]) -> None:
    hooked.commit(APP | WRONG)
    url = f"file://{hooked.git('remote', 'get-url', 'gitops')}/"
    done = subprocess.run(
        ["git", "-C", str(hooked.folder), "push", *(word.format(url=url) for word in push)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "gitops: deploy/web.yaml:2:" in done.stderr
    assert "for main\n" in done.stderr
    assert "warning only" not in done.stderr
    assert hooked.git("ls-remote", "gitops") == ""


@pytest.mark.row(37, 38)
def test_what_it_prints_is_escaped(hooked: Push) -> None:
    store = hooked.store
    lines = [store.file(name.encode(), data) for name, data in APP.items() if "/" not in name]
    commit = store.commit(store.tree(*lines, store.file(b"\x1b[2J")), message=b"\x1b[2J")
    answer = hooked.push(f"{commit}:refs/heads/main")
    assert answer.code != 0
    assert r"\x1b[2J" in answer.text
    assert "\x1b[2J" not in answer.text


def test_a_worktree_and_a_broken_installation(hooked: Push, tmp_path: Path) -> None:
    hooked.commit(APP | {"deploy/web.yaml": b"kind: A\nkind: B\n"})
    hooked.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    done = subprocess.run(
        ["git", "-C", str(tmp_path / "other"), "push", "gitops", "other"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "gitops: deploy/web.yaml:2:" in done.stderr
    hook = hooked.folder / ".git" / "hooks" / "pre-push"
    hook.write_bytes(settings.hook_text("pre-push", "/gone/python", settings.import_paths()))
    answer = hooked.push("main")
    assert answer.code == 0
    assert answer.text.count("gitops: /gone/python") == 1


def run_hook(push: Push, line: str, *flags: str, code: str = "") -> subprocess.CompletedProcess[str]:
    program = ["-c", code] if code else [str(ENTRY)]
    return subprocess.run(
        [sys.executable, "-I", "-S", *flags, *program, "pre-push", PATHS, "1", "gitops", "url"],
        input=line,
        capture_output=True,
        text=True,
        check=False,
        cwd=push.folder,
    )


def imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    """What `-X importtime` lists: every module that was really imported."""
    rows = [row for row in done.stderr.splitlines() if row.startswith("import time:")]
    names = {row.rpartition("|")[2].strip() for row in rows}
    return names - {"imported package", "typing_extensions"}


AUDIT = f"""
import sys
def hear(event, arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "os.fork"):
        sys.__stderr__.write("SPAWN " + event + chr(10))
sys.addaudithook(hear)
sys.path.insert(0, {str(ENTRY.parent)!r})
import entry
sys.exit(entry.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "line", ["", f"(delete) {ZERO} refs/heads/x {'1' * 40}\n", f"refs/tags/v {'1' * 40} refs/tags/v {ZERO}\n"]
)
def test_nothing_to_do_costs_nothing(remote: Push, line: str) -> None:
    done = run_hook(remote, line, "-X", "importtime")
    assert done.returncode == 0
    assert len(imported(done)) <= 25
    assert "SPAWN" not in run_hook(remote, line, code=AUDIT).stderr


def test_twenty_manifests_cost_two_processes(remote: Push) -> None:
    commit = remote.commit(APP | MORE)
    line = f"refs/heads/main {commit} refs/heads/main {ZERO}\n"
    done = run_hook(remote, line, "-X", "importtime")
    assert done.returncode == 0, done.stderr
    names = imported(done)
    assert "yaml" in names
    assert len(names) <= 120, sorted(names)
    spawned = run_hook(remote, line, code=AUDIT)
    assert spawned.returncode == 0
    assert spawned.stderr.count("SPAWN") == 2


HEAVY = {
    "typer",
    "click",
    "rich",
    "git",
    "kubernetes",
    "pydantic",
    "sqlalchemy",
    "alembic",
    "asyncio",
    "importlib.metadata",
}


@pytest.mark.parametrize("hook", ["pre_push", "checking", "pre_receive", "proc_receive", "post_receive"])
def test_no_hook_imports_what_is_heavy(hook: str) -> None:
    code = (
        f"import sys; sys.path[:0] = {settings.import_paths()!r}\n"
        f"import gitops_cli.hooks.{hook}\n"
        + ("import gitops_cli.releases\n" if "receive" in hook else "")
        + "print(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert HEAVY & set(done.stdout.split()) == set()
