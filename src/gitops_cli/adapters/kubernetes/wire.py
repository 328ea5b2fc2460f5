"""One request over kept connections: retries, lost answers, TLS."""

from __future__ import annotations

import functools
import random
import threading
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from gitops_cli import __version__
from gitops_cli.adapters.clock import monotonic
from gitops_cli.adapters.kubernetes import connections
from gitops_cli.adapters.kubernetes.problems import AnswerLost, problem_of
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from urllib3 import BaseHTTPResponse

    from gitops_cli.adapters.kubernetes.access import Access
    from gitops_cli.adapters.kubernetes.problems import ApiProblem

JSON = "application/json"
PATIENCE = 15.0
_TOO_MANY, _CONFLICT, _UNAUTHORIZED, _UNAVAILABLE = 429, 409, 401, 503
_BROKEN = frozenset({500, 502, 504})
_BROKEN_TRIES = 5
"""A webhook that is down answers 500 for ever; one that restarts is back within these."""
_LONGEST = 5.0
_TOKEN_AGE = 60.0
_RENEW_AGE = 30.0
"""One that was read so lately and is not accepted is not read again: it lacks something else."""
_BEGIN = 30.0
"""How long an answer that goes on may take to begin."""


class Answer(NamedTuple):
    """What came back, whatever it says."""

    status: int
    reason: str
    body: bytes
    retry_after: str


class Wire:
    """The connections to one API server. Safe to use from many threads."""

    def __init__(
        self, access: Access, *, patience: float = PATIENCE, renew: Callable[[], Access] | None = None
    ) -> None:
        """Connect to nothing yet.

        `patience` is how long a request is tried again, in seconds; `renew` reads the credential anew, once,
        when the server does not accept it any more.
        """
        self.access = access
        self.patience = patience
        self.sent = 0
        self.hurry = threading.Event()
        """Set while somebody waits for us to stop: nothing is tried again."""
        self._renew = renew
        self._renewable = 0.0
        self._lock = threading.Lock()
        self._pool = connections.pool(access)
        self._authorization = ("", 0.0)

    def send(  # noqa: PLR0913 - the parts of a request, by name
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = 30.0,
        again: bool | None = None,
        subject: str = "",
    ) -> bytes:
        """Send a request and give the body of the answer.

        429 waits as Retry-After says, for it means that nothing was done. 500, 502, 503, 504, a reset and a
        lost answer are tried again where `again` allows (None: GET and PATCH, which may be done twice).
        `subject` is what it is about, for people. Raises `ApiProblem`, `AnswerLost` and `Unavailable`.
        """
        again = method in {"GET", "PATCH"} if again is None else again
        data = None if body is None else msgspec.json.encode(body)
        tries = _Tries(self, again=again, subject=subject or f"{method} {path}")
        while True:
            try:
                answer = self.exchange(
                    method,
                    path,
                    query=query,
                    data=data,
                    content_type=content_type,
                    accept=accept,
                    timeout=timeout,
                )
            except Unavailable as error:
                tries.failed(error)
                continue
            if answer.status < 300:  # noqa: PLR2004
                return answer.body
            tries.answered(answer)

    def exchange(  # noqa: PLR0913 - as above
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        data: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = 30.0,
    ) -> Answer:
        """Send a request once and give what came back. Raises `AnswerLost` and `Unavailable`."""
        with self._pool.told():
            found = self._request(method, path, query, data, content_type, accept, timeout, whole=True)
            return _answer(found, found.data)

    def open(
        self,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        accept: str = JSON,
        silence: float,
        stop: threading.Event | None = None,
    ) -> BaseHTTPResponse:
        """GET something that goes on; `silence` is how long nothing may come, in seconds.

        Once `stop` is set nothing is tried again. Close what is given. Raises as `send` does; who reads wraps
        that in `told`.
        """
        tries = _Tries(self, again=True, subject=f"GET {path}", stop=stop)
        while True:
            try:
                with self.told():
                    found = self._request("GET", path, query, None, JSON, accept, _BEGIN, whole=False)
                    if found.status < 300:  # noqa: PLR2004
                        connections.wait_for(found, silence)
                        return found
                    body = found.read()
                    found.release_conn()
            except Unavailable as error:
                tries.failed(error)
                continue
            tries.answered(_answer(found, body))

    def relay(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, timeout: float
    ) -> BaseHTTPResponse:
        """Send somebody else's request with our credential, once, and give the whole answer."""
        sent = {**headers, "User-Agent": headers.get("User-Agent", _AGENT)}
        if authorization := self._authorize():
            sent["Authorization"] = authorization
        with self._lock:
            self.sent += 1
        with self._pool.told():
            return self._pool.send(method, url, body=body, headers=sent, timeout=timeout, whole=True)

    def told(self) -> AbstractContextManager[None]:
        """Turn what breaks while reading into `AnswerLost`."""
        return self._pool.told()

    def renewed(self, used: Access) -> bool:
        """Read anew a credential that the server did not accept; False when there is no newer one."""
        with self._lock:
            if self.access is not used:
                return True  # another thread did it meanwhile
            now = monotonic()
            if self._renew is None or now < self._renewable:
                return False
            self.access = self._renew()
            self._renewable = now + _RENEW_AGE
            self._pool = connections.pool(self.access)
            self._authorization = ("", 0.0)
            return True

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _request(  # noqa: PLR0913, PLR0917 - as above
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        data: bytes | None,
        content_type: str,
        accept: str,
        timeout: float,
        *,
        whole: bool,
    ) -> BaseHTTPResponse:
        headers = {"Accept": accept, "User-Agent": _AGENT}
        if data is not None:
            headers["Content-Type"] = content_type
        if authorization := self._authorize():
            headers["Authorization"] = authorization
        url = f"{path}?{_encoded(tuple(query))}" if query else path
        with self._lock:
            self.sent += 1
        return self._pool.send(method, url, body=data, headers=headers, timeout=timeout, whole=whole)

    def _authorize(self) -> str:
        """Give the header's value; a token in a file is read again each minute."""
        value, read = self._authorization
        now = monotonic()
        if not value or (self.access.token_file and now - read > _TOKEN_AGE):
            value = self.access.authorization()
            self._authorization = (value, now)
        return value


_AGENT = f"gitops/{__version__}"


@functools.lru_cache(64)
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    """Write a query; 3,000 PATCHes share one, and writing it is a fourth of what a request costs us."""
    return urlencode(query, quote_via=quote)


def _answer(found: BaseHTTPResponse, body: bytes) -> Answer:
    return Answer(found.status, found.reason or "", body, found.headers.get("Retry-After") or "")


class _Tries:
    """Decides whether a request is sent again, and waits before."""

    def __init__(self, wire: Wire, *, again: bool, subject: str, stop: threading.Event | None = None) -> None:
        self.wire = wire
        self.stop = stop or wire.hurry
        self.again = again
        self.subject = subject
        self.access = wire.access
        self.number = 0
        self.until = 0.0
        self.unknown = False

    def failed(self, error: Unavailable) -> None:
        """Wait after a request without an answer, or raise it. One that was never sent may go again."""
        if error.code == "kubernetes.certificate" or (isinstance(error, AnswerLost) and not self.again):
            raise error
        self.unknown |= isinstance(error, AnswerLost)
        self._pause(0.0, error)

    def answered(self, answer: Answer) -> None:
        """Wait after an answer that is no success, or raise it."""
        problem = problem_of(answer.status, answer.body, self.subject)
        problem.repeated = self.unknown
        if answer.status == _UNAUTHORIZED and self.wire.renewed(self.access):
            self.access = self.wire.access
            return
        if not self._worth(problem):
            raise problem
        self.unknown |= problem.status >= 500  # noqa: PLR2004 - it may have been done all the same
        self._pause(_seconds(answer.retry_after), problem)

    def _worth(self, problem: ApiProblem) -> bool:
        """Say whether the same request may have another answer soon."""
        if problem.status == _TOO_MANY:
            return True
        if problem.status == _CONFLICT:  # the object changed between the server's own read and write
            return self.again and self.number < _BROKEN_TRIES and problem.is_race
        if problem.status in _BROKEN:
            return self.again and self.number < _BROKEN_TRIES
        return problem.status == _UNAVAILABLE and self.again

    def _pause(self, asked: float, error: ApiProblem | Unavailable) -> None:
        self.number += 1
        now = monotonic()
        self.until = self.until or now + self.wire.patience
        grown = min(_LONGEST, 0.05 * 2.0**self.number)
        delay = max(asked, grown) * random.uniform(1.0, 1.25)  # noqa: S311 - spreads requests, hides nothing
        if now + delay > self.until or self.stop.wait(delay):
            raise error


def _seconds(retry_after: str) -> float:
    """Read Retry-After; the API server writes seconds, never a date."""
    return float(retry_after) if retry_after.isdecimal() else 0.0
