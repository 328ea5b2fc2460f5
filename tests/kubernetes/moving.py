"""A project that began on one machine with `gitops init`, and what its operator does to move it to a cluster."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psycopg
import yaml

from gitops_cli.adapters.home import Home
from gitops_cli.adapters.postgres import fingerprint
from tests.cluster import apps, images
from tests.cluster.parts import wait
from tests.kubernetes import least
from tests.kubernetes.shop import Shop
from tests.support.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.given import Cluster

PASSWORD = "of-the-shop"
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {GREETING: hello}
"""
POSTGRES = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: postgres}}
spec:
  serviceName: postgres
  selector: {{matchLabels: {{app: postgres}}}}
  template:
    metadata: {{labels: {{app: postgres}}}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: postgres
          image: {image}
          env: [{{name: POSTGRES_PASSWORD, value: of-the-administrator}}]
          readinessProbe: {{tcpSocket: {{port: 5432}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: postgres}}
spec: {{selector: {{app: postgres}}, ports: [{{port: 5432}}]}}
"""
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "cluster.md"
PUSH = "## 5. The push"
_BLOCKS = re.compile(r"^```(sh|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Moving:
    """The project, its remote, and the namespace of the cluster."""

    shop: Shop
    environment: dict[str, str]

    @property
    def site(self) -> Site:
        return self.shop.site

    def gitops(self, *arguments: str, check: bool = True) -> str:
        """Run `gitops` in the project."""
        command = [sys.executable, "-m", "gitops_cli", *arguments]
        done = subprocess.run(
            command, cwd=self.site.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def programs(self) -> Path:
        """Give a folder with the program `gitops`, for a PATH."""
        folder = self.site.folder.parent / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "gitops"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gitops_cli "$@"\n')
        program.chmod(0o755)
        return folder

    @contextmanager
    def goes_on(self, *arguments: str) -> Iterator[IO[str]]:
        """Give the output of a `gitops` that goes on until Ctrl-C, which is at the end of the block."""
        command = [sys.executable, "-u", "-m", "gitops_cli", *arguments]
        with subprocess.Popen(
            command, cwd=self.site.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout
            try:
                yield running.stdout
            finally:
                running.send_signal(signal.SIGINT)
                code = running.wait(60)
        assert code in (0, 130)

    @property
    def address(self) -> str:
        """The address of the project's Service in the cluster."""
        return str(self.shop.get("services", "web")["spec"]["clusterIP"])

    @property
    def database(self) -> str:
        """The URL of its database in the cluster, as seen from here."""
        address = self.shop.get("services", "postgres")["spec"]["clusterIP"]
        return f"postgresql://shop:{PASSWORD}@{address}:5432/shop"

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the database in the cluster."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def picture(self) -> tuple[Any, ...]:
        """Picture what a push may move: the ref, the namespace and the database."""
        with psycopg.connect(self.database) as connection:
            schema, rows = (
                fingerprint.take(connection).digest,
                fingerprint.rows_digest(connection, ours=False),
            )
        everything = self.shop.everything()
        for found in everything.values():  # going back is one more revision to the controller
            found["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
        return self.site.tip, everything, schema, rows

    def pods(self) -> list[dict[str, Any]]:
        """Give the pods of the app."""
        path = f"{self.shop.path('pods')}?labelSelector=app%3Dweb"
        return list(self.shop.cluster.api.get(path)["items"])


def begin(folder: Path, cluster: Cluster, namespace: str) -> Moving:
    """Make the project as its developer does; nothing is pushed yet."""
    environment = os.environ | {"XDG_DATA_HOME": str(folder / "data")}
    top = folder / "shop"
    command = [sys.executable, "-m", "gitops_cli", "init", str(top)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    (home,) = (folder / "data" / "gitops").iterdir()
    moving = Moving(Shop(Site(top, Home(home)), cluster, namespace), environment)
    manifest = top / "deploy" / "deployment.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace("          env:\n", FROM_SETTINGS + "          env:\n"))
    moving.site.write({"deploy/settings.yaml": SETTINGS})
    moving.site.commit("Begin")
    return moving


FROM_SETTINGS = "          envFrom: [{configMapRef: {name: settings}}]\n"


def prepare(moving: Moving) -> None:
    """Run a PostgreSQL in the namespace, with a database that belongs to nobody but the app."""
    shop = moving.shop
    kubectl = ("-n", shop.namespace)
    shop.cluster.kubectl(
        *kubectl, "apply", "-f", "-", stdin=POSTGRES.format(image=shop.cluster.images.postgres)
    )
    shop.cluster.kubectl(*kubectl, "rollout", "status", "statefulset/postgres", "--timeout=180s")
    address = shop.get("services", "postgres")["spec"]["clusterIP"]
    admin = f"postgresql://postgres:of-the-administrator@{address}:5432/postgres"
    wait("the database", lambda: _made(admin), 120.0)


def _made(admin: str) -> bool:
    """Make role and database; the first connections may come before every node knows the way."""
    try:
        with psycopg.connect(admin, autocommit=True, connect_timeout=5) as connection:
            connection.execute(f"create role shop login password '{PASSWORD}'".encode())
            connection.execute(b"create database shop owner shop")
    except psycopg.OperationalError:
        return False
    return True


def bind(moving: Moving) -> None:
    """Do what the how-to page says, block by block, with what is ours; then the account has its rights."""
    shop, home = moving.shop, moving.site.home
    steps = PAGE.read_text().partition(PUSH)[0]
    ours = {
        "REMOTE": str(home.path),
        "IMAGE": image(moving),
        "NAMESPACE": shop.namespace,
        "URL_FOR_PODS": f"postgresql://shop:{PASSWORD}@postgres:5432/shop",
        "URL_FOR_REMOTE": moving.database,
        "KUBECONFIG": str(shop.cluster.kubeconfig),
        "PATH": f"{moving.programs()}:{shop.cluster.programs}:{os.environ['PATH']}",
    }
    for language, block in _BLOCKS.findall(steps):
        if language == "yaml":
            home.config.write_text(changed(home.config.read_text(), block, ours))
        elif language == "sh":
            command = ["sh", "-euc", block]
            done = subprocess.run(
                command,
                cwd=moving.site.folder,
                env=moving.environment | ours,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    until_granted(moving)


def changed(text: str, block: str, ours: dict[str, str]) -> str:
    """Put the page's block in place of the two lines of remote.yaml, with our namespace and image."""
    example = re.search(r"registry\S+", block)
    assert example
    block = block.replace("namespace: shop\n", f"namespace: {ours['NAMESPACE']}\n")
    block = block.replace(example[0], ours["IMAGE"])
    before, _, rest = text.partition("    target: local")
    _, _, after = rest.partition("    database: embedded")
    return before + block + after.partition("\n")[2]


def grant(moving: Moving, *options: str) -> None:
    """Apply what `gitops remote rbac` prints."""
    moving.shop.cluster.kubectl("apply", "-f", "-", stdin=moving.gitops("remote", "rbac", *options))
    until_granted(moving, *options)


def until_granted(moving: Moving, *options: str) -> None:
    """Wait until the server grants what was applied."""
    printed = yaml.safe_load_all(moving.gitops("remote", "rbac", *options))
    rules = [rule for document in printed for rule in document.get("rules", ())]
    least.until_granted(moving.shop.credential, moving.shop.namespace, rules)


def image(moving: Moving) -> str:
    """Push the image of the project's application; the next issue builds it from the push."""
    registry = moving.shop.cluster.images.web.partition("/")[0]
    files = {"app.py": (moving.site.folder / "app.py").read_bytes()}
    return images.push(apps.app(files), registry, "app")


def until_one_pod(moving: Moving) -> None:
    """Wait until only one version's pod is there."""
    wait("the end of the other pods", lambda: len(moving.pods()) == 1, 120.0)
