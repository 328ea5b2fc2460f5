"""What the proxy can do to a request, and to which."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Status:
    """Answer with this status instead of asking the server; `Retry-After` in seconds."""

    code: int
    retry_after: int | None = None
    message: str = "a fault of the test's proxy"
    reason: str = ""
    """Empty: the one that a server gives with this code."""
    page: bytes = b""
    """Sent in place of the server's JSON: what a load balancer says."""


@dataclass(frozen=True)
class Cut:
    """Pass the request on, and reset the connection after so many bytes of the answer's body."""

    after: int = 20


@dataclass(frozen=True)
class LoseAnswer:
    """Pass the request on, wait until the server has done it, and reset the connection without a word."""


@dataclass(frozen=True)
class LoseRequest:
    """Reset the connection; the server never hears of the request."""


@dataclass(frozen=True)
class Delay:
    """Pass the request on after so many seconds, or when the proxy ends."""

    seconds: float


Fault = Status | Cut | LoseAnswer | LoseRequest | Delay


@dataclass
class Rule:
    """A fault for requests of a method and a path (with its query), searched for a pattern.

    It strikes from the `nth` matching request on, `times` times.
    """

    method: str
    pattern: str
    fault: Fault
    nth: int = 1
    times: int = 1
    matched: int = field(default=0, init=False)

    def strikes(self, method: str, path: str) -> bool:
        """Count a request if it matches; say whether the fault is for it."""
        if self.method not in ("*", method) or not re.search(self.pattern, path):
            return False
        self.matched += 1
        return self.nth <= self.matched < self.nth + self.times


@dataclass(frozen=True)
class Seen:
    """A request that came to the proxy, when (`time.monotonic`), and what was done to it."""

    method: str
    path: str
    time: float
    fault: Fault | None
