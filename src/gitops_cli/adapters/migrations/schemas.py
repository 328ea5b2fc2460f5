"""Schemas that were seen, kept by digest: so that a message can say what differs, not only that it does."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.files import private_dir, read_or_none, write_atomic
from gitops_cli.adapters.postgres.fingerprint import Fingerprint, difference

if TYPE_CHECKING:
    from gitops_cli.adapters.home import Home

SHOWN = 5


def keep(home: Home, schema: Fingerprint) -> None:
    """Keep a schema."""
    path = private_dir(home.cache / "schemas") / schema.digest
    if not path.exists():
        write_atomic(path, zlib.compress(msgspec.json.encode(schema.rows), 1))


def known(home: Home, digest: str) -> Fingerprint | None:
    """Give a schema that was kept, if it still is and is whole."""
    data = read_or_none(home.cache / "schemas" / digest)
    if data is None:
        return None
    try:
        found = Fingerprint(msgspec.json.decode(zlib.decompress(data), type=tuple[tuple[str, str, str], ...]))
    except (zlib.error, msgspec.MsgspecError):
        return None
    return found if found.digest == digest else None


def shown(home: Home, before: str, after: Fingerprint) -> str:
    """Say what differs between a digest and a schema, in a few words."""
    old = known(home, before)
    return said(difference(old, after)) if old else ""


def said(lines: tuple[str, ...]) -> str:
    """Join the first few differences."""
    more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return "; ".join(lines[:SHOWN]) + more
