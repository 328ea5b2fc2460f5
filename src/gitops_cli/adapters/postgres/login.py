"""The one thing that a relay changes in a login over TLS: the offer of channel binding.

A server that speaks TLS offers SCRAM-SHA-256-PLUS, which binds the password to the TLS channel. The
client's channel ends at the relay, and libpq refuses such an offer outright ("over a non-SSL connection").
So the offer is taken out of the server's first answer; SCRAM-SHA-256 stays.
"""

from __future__ import annotations

import struct

_PLUS = b"SCRAM-SHA-256-PLUS"
_SASL = 10
_HEAD = 5
_LIMIT = 65_536


class Login:
    """What the server says, from its first byte on."""

    def __init__(self) -> None:
        """Nothing has been said."""
        self._held = bytearray()
        self._over = False

    def passes(self, data: bytes) -> bytes:
        """Give what may be passed on of what the server said now; the end of the stream is empty bytes."""
        if self._over:
            return data
        self._held += data
        passed = bytearray()
        while not self._over and len(self._held) >= _HEAD:
            kind, length = bytes(self._held[:1]), struct.unpack_from("!I", self._held, 1)[0]
            if kind not in (b"R", b"v") or length > _LIMIT:  # v: it speaks an older protocol; R comes next
                self._over = True
            elif len(self._held) <= length:
                break
            else:
                passed += _without_plus(bytes(self._held[: length + 1]))
                del self._held[: length + 1]
                self._over = kind == b"R"
        if self._over or not data:
            passed += self._held
            self._held.clear()
        return bytes(passed)


def _without_plus(message: bytes) -> bytes:
    """Take the mechanism out of a request for SASL; give any other message as it is."""
    if message[:1] != b"R" or message[_HEAD : _HEAD + 4] != struct.pack("!I", _SASL):
        return message
    names = [name for name in message[_HEAD + 4 :].split(b"\0") if name and name != _PLUS]
    body = struct.pack("!I", _SASL) + b"".join(name + b"\0" for name in names) + b"\0"
    return b"R" + struct.pack("!I", len(body) + 4) + body
