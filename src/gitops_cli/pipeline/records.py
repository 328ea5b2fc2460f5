r"""What stands in a journal file, byte by byte, and how to read it after a crash.

    header   b"gitops-journal 1\n"; the number is the version of what follows
    record   length (4 bytes, big-endian, never 0), CRC-32 of the JSON (4 bytes), JSON

Every record is synced before the next one is written, so a crash can spoil the last record only: cut
short, filled with zeros, or garbage. A length of 0 is refused because eight zero bytes would
otherwise be a record: CRC-32 of nothing is 0.
"""

from __future__ import annotations

import re
import zlib
from typing import Any, TypeAlias

import msgspec

from gitops_cli.pipeline.model import Outcome, Release

VERSION = 1
HEADER = b"gitops-journal %d\n" % VERSION
MAX_RECORD = 1 << 24
"""Lengths stay below this, so the first byte of a record is 0: no JSON text holds such a byte, and no
text in a record, however hostile, can look like a record."""

_HEADER = re.compile(rb"gitops-journal (\d{1,6})\n")
_FRAME = 8


class _Base(msgspec.Struct, frozen=True, tag_field="kind", tag=str.lower):
    """A record; its tag is the class's name in small letters."""


class Begin(_Base, frozen=True):
    """A release begins; the names of its steps, in order."""

    release: Release
    steps: tuple[str, ...] = ()


class Intent(_Base, frozen=True):
    """A step is about to be done: from here on it must be undone."""

    step: str


class Note(_Base, frozen=True):
    """Facts that a step needs to undo what comes next."""

    step: str
    facts: dict[str, Any]  # Json; msgspec reads no recursive alias


class Done(_Base, frozen=True):
    """A step was done."""

    step: str
    line: str
    seconds: float


class Failed(_Base, frozen=True):
    """A step failed. `trace` is kept for a bug report and never shown to a pusher."""

    step: str
    reason: str
    seconds: float = 0.0
    code: str = ""
    trace: str = ""


class Undoing(_Base, frozen=True):
    """A step is about to be undone: the direction is decided, whatever the world says later."""

    step: str


class Undone(_Base, frozen=True):
    """A step was undone."""

    step: str


class End(_Base, frozen=True):
    """The release ended so."""

    outcome: Outcome
    seconds: float
    stage: str = ""
    reason: str = ""


class Settled(_Base, frozen=True):
    """A released one let go of everything that it kept for undoing."""


Entry: TypeAlias = Begin | Intent | Note | Done | Failed | Undoing | Undone | End | Settled

_decoder = msgspec.json.Decoder(Entry)
_encoder = msgspec.json.Encoder()


class Scan(msgspec.Struct, frozen=True):
    """What a file holds: the good records, where they end, and whether good ones follow a bad one."""

    entries: list[Entry]
    good: int
    damaged: bool


def frame(entry: Entry) -> bytes:
    """Give the bytes of one record. Raises `ValueError` when it would be 16 MiB or more."""
    data = _encoder.encode(entry)
    if len(data) >= MAX_RECORD:
        raise ValueError(f"a journal record of {len(data)} bytes")
    return len(data).to_bytes(4, "big") + zlib.crc32(data).to_bytes(4, "big") + data


def version(data: bytes) -> int:
    """Tell the version in the header; 0 when there is no whole header."""
    found = _HEADER.match(data)
    return int(found[1]) if found else 0


def scan(data: bytes) -> Scan:
    """Read records up to the first bad one. Raises `msgspec.MsgspecError` for a good one it does not know."""
    entries: list[Entry] = []
    at = len(HEADER)
    while (body := _body(data, at)) is not None:
        entries.append(_decoder.decode(body))
        at += _FRAME + len(body)
    damaged = any(_body(data, later) is not None for later in _candidates(data, at + 1))
    if not data.startswith(HEADER):  # header and first record are written together: neither counts alone
        return Scan([], 0, damaged or len(entries) > 1)
    return Scan(entries, at, damaged)


def _body(data: bytes, at: int) -> bytes | None:
    size = int.from_bytes(data[at : at + 4], "big")
    if not 0 < size < MAX_RECORD:
        return None
    body = data[at + _FRAME : at + _FRAME + size]
    if len(body) != size:
        return None
    if zlib.crc32(body) != int.from_bytes(data[at + 4 : at + _FRAME], "big"):
        return None
    return body


def _candidates(data: bytes, at: int) -> list[int]:
    """Tell where a record could start behind a bad one: at a zero byte, as lengths are below 16 MiB."""
    return [found.start() for found in re.compile(b"\0").finditer(data, at)]
