"""A registry of a test's own, in front of the cluster's node: it can be ended, started again, and want a login."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Self

import urllib3

from tests.cluster import starter
from tests.cluster.parts import wait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.given import Cluster

_NOBODY = "nobody:$2y$05$abcdefghijklmnopqrstuuG5vYBZ8Fv0dTn1kJ6mH0cWkV9o8c7pK\n"
"""A login that no password opens."""


class Registry:
    """Runs on this machine; the node pulls from it in plain HTTP. Starts with the block, ends with it."""

    def __init__(self, cluster: Cluster, folder: Path, port: int) -> None:
        slot = None if cluster.folder is None else starter.slot_of(cluster.folder)
        if cluster.folder is None or slot is None:
            raise LookupError("a registry of a test's own needs a cluster of our own with a node")
        self.address = f"{slot.host}:{port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        url = f"http://{self.address}"
        hosts = cluster.folder / "registries" / self.address / "hosts.toml"  # read anew at each pull
        hosts.parent.mkdir(exist_ok=True)  # another test may have had the port
        hosts.write_text(f'server = "{url}"\n[host."{url}"]\n')

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *, login: bool = False) -> None:
        """Start it; what was pushed before is there again."""
        users = self._folder / "users"
        users.write_text(_NOBODY)
        config = {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "registry")}},
            "http": {"addr": self.address},
        } | ({"auth": {"htpasswd": {"realm": "test", "path": str(users)}}} if login else {})
        path = self._folder / "registry.json"
        path.write_text(json.dumps(config))
        with (self._folder / "registry.log").open("ab") as log:
            self._process = subprocess.Popen(["docker-registry", "serve", path], stdout=log, stderr=log)
        wait("the registry", self._answers)

    def stop(self) -> None:
        """End it; nobody listens there any more."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        try:
            return urllib3.request("GET", f"http://{self.address}/v2/", retries=False).status in (200, 401)
        except urllib3.exceptions.HTTPError:
            return False
