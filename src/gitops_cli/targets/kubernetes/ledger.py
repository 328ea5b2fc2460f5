"""What the server answered to our last PATCH of each object: enough to see later that nobody touched it.

uid, and fields and time of our own entry of `managedFields`, changed with every foreign change to what we
own, and with nothing else (measured). An equal resourceVersion says the same sooner. `generation` is not
asked: it misses labels, ConfigMaps and Services.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.kubernetes.objects import Key
from gitops_cli.targets.kubernetes.rendering import HASH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitops_cli.adapters.kubernetes.objects import Seen


class Row(msgspec.Struct, frozen=True):
    """One object, as we left it."""

    key: Key
    uid: str
    resource_version: str
    hash: str
    """Of the object as it was rendered."""
    fields: str
    """SHA-256 of what our entry says that we own."""
    time: str


class Ledger:
    """The rows of one environment. A lost row costs one dry run, nothing else."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        """Index the rows."""
        self._rows = {row.key: row for row in rows}

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order of their objects."""
        return [self._rows[key] for key in sorted(self._rows)]

    def get(self, key: Key) -> Row | None:
        """Give the row of an object."""
        return self._rows.get(key)

    def add(self, rows: Iterable[Row]) -> None:
        """Take newer rows."""
        self._rows.update((row.key, row) for row in rows)

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget objects."""
        for key in keys:
            self._rows.pop(key, None)

    def untouched(self, seen: Seen, digest: str, manager: str) -> bool:
        """Say whether a live object still is what we made of the rendered one with this hash."""
        row = self._rows.get(seen.key)
        if row is None or row.uid != seen.uid or row.hash != digest:
            return False
        if row.resource_version == seen.resource_version:
            return True
        entry = seen.ours(manager)
        return entry is not None and (entry.fields, entry.time) == (row.fields, row.time)

    def as_left(self, seen: Seen | None, digest: str, manager: str) -> bool:
        """Say whether the object is there, to stay, marked with this hash, and untouched."""
        return (
            seen is not None
            and not seen.deleting
            and seen.annotations.get(HASH) == digest
            and self.untouched(seen, digest, manager)
        )


def row_to_ask(seen: Seen, digest: str) -> Row:
    """Make the row of an object that once was as rendered, and may be no more: the next plan asks."""
    return Row(key=seen.key, uid=seen.uid, resource_version="", hash=digest, fields="", time="")


def row_of(seen: Seen, digest: str, manager: str) -> Row:
    """Make the row of an object that was just applied, or was found as it should be."""
    entry = seen.ours(manager)
    return Row(
        key=seen.key,
        uid=seen.uid,
        resource_version=seen.resource_version,
        hash=digest,
        fields=entry.fields if entry else "",
        time=entry.time if entry else "",
    )
