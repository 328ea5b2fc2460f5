"""Ports for the processes of an environment, given once among all supervisors of this machine."""

from __future__ import annotations

import errno
import random
import socket
from collections import deque

FIRST, LAST = 25000, 32000
"""Below the range from which the kernel takes ports of outgoing connections (32768 and up)."""
CLAIMS = 64
"""How many of the ports given last stay claimed: their processes may not listen yet."""


class Ports:
    """One for a supervisor."""

    def __init__(self) -> None:
        self._claims: deque[socket.socket] = deque()

    def give(self) -> int:
        """Give a TCP port that nobody listens on or was given just now. Raises `OSError`."""
        for _ in range(200):
            number = random.randrange(FIRST, LAST)  # noqa: S311 - no secret
            claim = _claim(number)
            if claim is None:
                continue
            if bindable(number):
                self._keep(claim)
                return number
            claim.close()
        raise OSError("this machine has no free TCP port left")

    def close(self) -> None:
        """Let go of the claims."""
        while self._claims:
            self._claims.popleft().close()

    def _keep(self, claim: socket.socket) -> None:
        self._claims.append(claim)
        if len(self._claims) > CLAIMS:
            self._claims.popleft().close()


def _claim(number: int) -> socket.socket | None:
    """Claim a port by a name in the kernel, which goes with the socket and with us; None: another has it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0gitops-port-{number}")
    except OSError:
        claim.close()
        return None
    return claim


def bindable(number: int) -> bool:
    """Say whether nobody listens on a TCP port, at any address of IPv4."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", number))
        except OSError as error:
            return error.errno == errno.EACCES  # below 1024 only root may, and the app finds that out itself
    return True
