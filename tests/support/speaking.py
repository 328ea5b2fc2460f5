"""A client of git's protocol that says what no git client would."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ZERO = "0" * 40
NOTHING = b"PACK\0\0\0\2\0\0\0\0"
EMPTY_PACK = NOTHING + hashlib.sha1(NOTHING).digest()


@dataclass(frozen=True)
class Answer:
    """What the client got: exit code and everything that was said."""

    code: int
    text: str


def packet(data: bytes) -> bytes:
    """Frame one packet."""
    return b"%04x%s" % (len(data) + 4, data)


def say(
    repo: Path,
    commands: Sequence[tuple[str, str, bytes]],
    pack: bytes = EMPTY_PACK,
    options: Sequence[bytes] | None = None,
    *,
    atomic: bool = True,
) -> Answer:
    """Speak to receive-pack by hand: (old, new, name) each; an empty `pack` sends none."""
    words = b"report-status object-format=sha1" + b" atomic" * atomic
    words += b" push-options" if options is not None else b""
    packets = [b"%s %s %s" % (old.encode(), new.encode(), name) for old, new, name in commands]
    packets[0] += b"\0" + words
    stream = b"".join(map(packet, packets)) + b"0000"
    if options is not None:
        stream += b"".join(map(packet, options)) + b"0000"
    done = subprocess.run(
        ["git", "receive-pack", str(repo)], input=stream + pack, capture_output=True, check=False, timeout=60
    )
    _, _, report = done.stdout.partition(b"0000")
    return Answer(done.returncode, (report + done.stderr).decode("utf-8", "surrogateescape"))


def pack_of(folder: Path, *oids: str) -> bytes:
    """Pack exactly these objects of a clone."""
    data = "".join(f"{oid}\n" for oid in oids).encode()
    return subprocess.run(
        ["git", "-C", str(folder), "pack-objects", "-q", "--stdout"],
        input=data,
        capture_output=True,
        check=True,
    ).stdout
