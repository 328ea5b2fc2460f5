"""A small application in a real bare repository, and the local target with its real supervisor."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import textwrap
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from gitops_cli.adapters import processes, sandbox
from gitops_cli.adapters.git.repo import Repo
from gitops_cli.adapters.home import Home
from gitops_cli.config.load import load_manifests, load_project
from gitops_cli.targets.local import LocalTarget
from gitops_cli.targets.memory import Memory
from gitops_cli.targets.protocol import AppSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

APP = """\
import http.server, json, os, signal, sys

VERSION = open("version.txt").read().strip()

class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        known = {"version": VERSION, "pid": os.getpid(), "cwd": os.getcwd(), "argv": sys.argv}
        if self.path == "/env":
            known["env"] = dict(os.environ)
        body = json.dumps(known).encode()
        self.send_response(200 if self.path != "/never" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

print("listening as", VERSION, flush=True)
http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""
DOCKERFILE = """\
FROM python:3-slim
WORKDIR /app
COPY . .
ENV FROM_IMAGE=yes
CMD ["python", "-u", "app.py"]
"""
PROJECT = "version: 1\nname: shop\nservices:\n  web: {}\n"


def deployment(name: str = "web", *, container: str = "", spec: str = "", pod: str = "") -> str:
    """Write a Deployment; the parts are YAML lines."""
    text = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
@spec
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 5
@pod
      containers:
        - name: {name}
          image: web
          ports: [{{name: http, containerPort: 8000}}]
@container
"""
    for mark, part, indent in (("@spec", spec, 2), ("@pod", pod, 6), ("@container", container, 10)):
        text = text.replace(mark, textwrap.indent(textwrap.dedent(part).strip("\n"), " " * indent))
    return text


def service(name: str = "web", port: int = 80, target: str = "http") -> str:
    """Write a Service."""
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{port: {port}, targetPort: {target}}}]
"""


READY = "readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}"


class Watch:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begins(self, step: str) -> None: ...
    def ends(self, step: str, seconds: float, line: str) -> None: ...
    def fails(self, step: str, seconds: float, reason: str) -> None: ...
    def undoes(self, step: str, seconds: float) -> None: ...

    def says(self, text: str) -> None:
        self.lines.append(text)


class Shop:
    """A repository, a remote's folder and the target of one environment."""

    def __init__(self, folder: Path, level: sandbox.Level) -> None:
        self.home = Home(folder / "remote")
        self.home.state.mkdir(parents=True, mode=0o700)
        self.level = level
        self.git("init", "-q", "--bare", str(self.home.repo))
        self.repo = Repo(self.home.repo)
        self.watch = Watch()
        self.number = 0
        self.target = self.another()

    def another(self, timeout: float = 30.0, **more: Any) -> LocalTarget:
        """Make a further target of the same environment, as another process would."""
        return LocalTarget(
            self.home, "production", repo=self.repo, level=self.level, rollout_timeout=timeout, **more
        )

    def git(self, *args: str, data: bytes = b"") -> str:
        done = subprocess.run(["git", *args], input=data, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, files: dict[str, str | bytes] | None = None, *, version: str = "") -> AppSet:
        """Commit the application with these files over it; None as text removes nothing."""
        self.number += 1
        everything: dict[str, str | bytes] = {
            "app.py": APP,
            "version.txt": version or f"v{self.number}",
            "Dockerfile": DOCKERFILE,
            "gitops.yaml": PROJECT,
            "deploy/web.yaml": deployment(container=READY) + "---\n" + service(),
            **(files or {}),
        }
        stream = bytearray(
            b"commit refs/heads/main\ncommitter A <a@example.org> 0 +0000\ndata 1\nx\ndeleteall\n"
        )
        for name, text in everything.items():
            data = text.encode() if isinstance(text, str) else text
            stream += b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(data), data)
        self.git("-C", str(self.home.repo), "fast-import", "--force", "--quiet", data=bytes(stream))
        commit = self.repo.resolve("refs/heads/main")
        tree = self.repo.tree(commit)
        project = load_project(tree)
        return AppSet(
            environment="production",
            release=self.number,
            commit=commit,
            tree=self.repo.tree_of(commit),
            project=project,
            manifests=load_manifests(tree, project),
        )

    def begin(self, wanted: AppSet, target: LocalTarget | None = None) -> Memory:
        """Prepare, apply and wait: the new set serves, the old one is parked."""
        target, record = target or self.target, Memory()
        target.check(wanted)
        target.prepare(wanted, record, self.watch)
        target.apply(wanted, record, self.watch)
        self.record = record
        target.wait(wanted, record, self.watch)
        return record

    def release(self, files: dict[str, str | bytes] | None = None, *, version: str = "") -> AppSet:
        """Commit and release."""
        wanted = self.commit(files, version=version)
        self.target.retire(self.begin(wanted))
        return wanted

    def url(self, path: str = "/", name: str = "web") -> str:
        return self.target.live().urls[name] + path

    def get(self, path: str = "/", name: str = "web") -> dict[str, Any]:
        """Ask the page over a new connection."""
        with urllib.request.urlopen(self.url(path, name), timeout=60) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def pids(self) -> list[int]:
        return [p.pid for p in self.target.live().processes if p.pid]

    def ours(self) -> list[str]:
        """Every process of this machine whose command line or folder speaks of this remote."""
        return processes_of(str(self.home.path))

    def supervisor(self) -> int:
        return int(self.target.live().detail["supervisor"])

    def close(self) -> None:
        self.target.stop()
        self.repo.close()


def processes_of(text: str) -> list[str]:
    """List the command lines that hold a text."""
    done = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if text in line]


def eventually(question: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.02)
    return answer


def refused(port: int) -> bool:
    """Say whether nobody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def alive(pid: int) -> bool:
    who = processes.identity(pid)
    return who is not None and processes.alive(who)


@pytest.fixture(scope="session")
def level() -> sandbox.Level:
    """The strongest sandbox of this machine, or the one that the caller asks for."""
    asked = os.environ.get("GITOPS_TESTS_SANDBOX")
    return sandbox.Level(asked) if asked else sandbox.probe().level


@pytest.fixture
def shop(tmp_path: Path, level: sandbox.Level) -> Iterator[Shop]:
    """A shop that is closed afterwards."""
    found = Shop(tmp_path, level)
    yield found
    found.close()
    assert found.ours() == []


@pytest.fixture
def free() -> int:
    """A TCP port that nobody listens on."""
    return processes.free_port()
