"""A page of a Service, asked through the API server: nothing of ours need be inside the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from gitops_cli.adapters.kubernetes.problems import problem_of
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from gitops_cli.adapters.kubernetes.wire import Wire


class _Kind(msgspec.Struct):
    kind: str = ""


_KIND = msgspec.json.Decoder(_Kind)


_REFUSED = frozenset({401, 403})


def answers(  # noqa: PLR0913 - the parts of a URL
    wire: Wire, namespace: str, service: str, port: int | str, path: str, *, timeout: float
) -> tuple[int, str]:
    """Give status and reason of one GET; (0, reason) when nobody answers within `timeout` seconds.

    The API server itself answers 503 when no pod stands behind the Service, and 404 for a moment after it was
    made: nobody answers then either. Raises `ApiProblem` without the right to `get services/proxy`.
    """
    status, said, _ = page(wire, namespace, service, port, path, timeout=timeout)
    return status, said


def page(  # noqa: PLR0913 - as above
    wire: Wire, namespace: str, service: str, port: int | str, path: str, *, timeout: float
) -> tuple[int, str, bytes]:
    """Give status, reason and body of one GET, as `answers` does."""
    where = f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy/"
    try:
        answer = wire.exchange(
            "GET", where + quote(path.lstrip("/"), safe="/%?=&+,;:@~!$'()*"), accept="*/*", timeout=timeout
        )
    except Unavailable as error:
        return 0, error.cause, b""
    if answer.status < 400 or not _of_the_server(answer.body):  # noqa: PLR2004
        return answer.status, answer.reason, answer.body
    problem = problem_of(answer.status, answer.body, f"Service {service}")
    if answer.status in _REFUSED:
        raise problem
    return 0, problem.message, b""


def _of_the_server(body: bytes) -> bool:
    """Say whether the API server itself speaks: the answer of an app is no Status."""
    try:
        return _KIND.decode(body).kind == "Status"
    except msgspec.MsgspecError:
        return False
