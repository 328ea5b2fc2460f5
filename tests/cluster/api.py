"""A small client of an API server, for what fixtures and tests must ask themselves: one request, one answer."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import urllib3

from tests.cluster import kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

AGENT = "gitops-tests"


class Answer(RuntimeError):
    """The server answered with an error."""

    def __init__(self, method: str, path: str, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{method} {path}: {status} {body.get('message', body)}")
        self.status = status
        self.body = body


class Api:
    """An API server as one user of it."""

    def __init__(self, config: Path) -> None:
        self.context, cluster, user = kubeconfig.current(config)
        self.server: str = cluster["server"]
        if "token" not in user:
            raise LookupError(f"{config}: tests need a user with a token, which a proxy can pass on")
        self.headers = {"User-Agent": AGENT, "Authorization": f"Bearer {user['token']}"}
        self.trust = urllib3.util.create_urllib3_context()
        if "certificate-authority-data" in cluster:
            given = base64.b64decode(cluster["certificate-authority-data"]).decode()
            self.trust.load_verify_locations(cadata=given)
        else:
            self.trust.load_verify_locations(cluster["certificate-authority"])
        self.pool = urllib3.PoolManager(ssl_context=self.trust, retries=False)

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Any:
        """Send one request; give the answer's JSON. Raises `Answer` from 400 on."""
        answer = self.pool.request(
            method,
            self.server + path,
            body=None if body is None else json.dumps(body),
            headers={**self.headers, "Content-Type": kind},
        )
        found = json.loads(answer.data) if answer.data[:1] in (b"{", b"[") else answer.data.decode()
        if answer.status >= 400:
            raise Answer(
                method, path, answer.status, found if isinstance(found, dict) else {"message": found}
            )
        return found

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def post(self, path: str, body: object) -> Any:
        return self.ask("POST", path, body)

    def delete(self, path: str) -> Any:
        return self.ask("DELETE", path)
