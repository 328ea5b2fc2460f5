"""git's packets: four hexadecimal digits of length, then bytes; `0000` ends a list."""

from __future__ import annotations

import os

from gitops_cli.errors import Failed

_DIGITS = 4
_LARGEST = 65520
MAX_ITEMS = 20_000
"""Packets of one list; git itself bounds neither their number nor their time."""


class PacketStream:
    """Reads and writes packets. Raises `Failed` (`hook.protocol`) for anything that is none."""

    def __init__(self, read_fd: int = 0, write_fd: int = 1) -> None:
        """Use two descriptors, by default standard input and output."""
        self._read_fd = read_fd
        self._write_fd = write_fd

    def read_list(self) -> list[bytes]:
        """Read packets up to the next flush packet."""
        found: list[bytes] = []
        while (packet := self._read()) is not None:
            found.append(packet)
            if len(found) > MAX_ITEMS:
                raise Failed("git sends more packets than there can be", code="hook.protocol")
        return found

    def write_list(self, packets: list[bytes]) -> None:
        """Write packets and a flush packet."""
        view = memoryview(
            b"".join(b"%04x%s" % (len(packet) + _DIGITS, packet) for packet in packets) + b"0000"
        )
        while view:
            view = view[os.write(self._write_fd, view) :]

    def _read(self) -> bytes | None:
        digits = self._exactly(_DIGITS)
        try:
            length = int(digits, 16)
        except ValueError:
            raise Failed("git sends no packets", code="hook.protocol") from None
        if length == 0:
            return None
        if not _DIGITS <= length <= _LARGEST:
            raise Failed("git sends a packet of an impossible length", code="hook.protocol")
        return self._exactly(length - _DIGITS)

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            piece = os.read(self._read_fd, count - len(found))
            if not piece:
                raise Failed("git has gone", code="hook.protocol")
            found += piece
        return bytes(found)
