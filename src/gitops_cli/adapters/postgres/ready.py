"""Does a server take sessions now? Asked over its Unix socket, without logging in and without a library.

After the death of one backend a server ends all others and reads its log again. Meanwhile its socket is
there and `postmaster.pid` says `ready` as before, but whoever connects is refused (SQLSTATE 57P03).
"""

from __future__ import annotations

import os
import socket
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_WORDS = b"user\0gitops\0database\0postgres\0\0"
_HELLO = (len(_WORDS) + 8).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + _WORDS
"""The first packet of a session: length, protocol 3.0, names. The answer to it decides."""
_CANNOT_CONNECT_NOW = b"C57P03\0"
_SECONDS = 5.0


class Answer(Enum):
    """What the server says."""

    NOBODY = "nobody listens"
    NOT_YET = "it starts, stops or recovers"
    YES = "it takes sessions"


def ask(path: Path) -> Answer:
    """Ask the server behind a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_SECONDS)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return Answer.NOBODY
        try:
            probe.sendall(_HELLO)
            said = probe.recv(4096)
        except OSError:  # it dies just now, or has no time
            return Answer.NOT_YET
    return Answer.NOT_YET if not said or _CANNOT_CONNECT_NOW in said else Answer.YES
