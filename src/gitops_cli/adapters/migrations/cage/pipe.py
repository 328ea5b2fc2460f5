"""The private pipe to the parent: frames of a kind (J for JSON, D for bytes), a length and a body."""

from __future__ import annotations

import json
import os
import select
import struct
import threading
from typing import Any

HEAD = struct.Struct("!cI")


class Pipe:
    """The private pipe to the parent."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        for descriptor in (incoming, outgoing):
            os.set_inheritable(descriptor, False)
        self._in, self._out = os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")
        threading.Thread(target=self._die_with_parent, args=(incoming,), daemon=True).start()

    @staticmethod
    def _die_with_parent(descriptor: int) -> None:
        poll = select.poll()
        poll.register(descriptor, 0)  # hang-up only: nobody writes to this pipe any more
        poll.poll()
        os._exit(1)

    def send(self, kind: bytes, body: bytes) -> None:
        """Write one frame."""
        self._out.write(HEAD.pack(kind, len(body)) + body)
        self._out.flush()

    def say(self, **message: Any) -> None:
        """Write one message."""
        self.send(b"J", json.dumps(message, default=str).encode())

    def read(self) -> bytes:
        """Read one frame; ends the program when the parent is gone."""
        head = self._in.read(HEAD.size)
        if len(head) < HEAD.size:
            os._exit(0)
        return self._in.read(HEAD.unpack(head)[1])
