"""What an archive of pg_dump lists, and as whom each part of it may be restored.

Creating a table can run code: PostgreSQL works out a CHECK or a partition's bound on the way, and the
functions in them are the app's. So what the environment's roles own is restored as one of them. The rest is
the operator's, or runs nothing (a schema, an extension, a privilege) and often needs a superuser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_ENTRY = re.compile(rb"\d+; (?P<catalogue>\d+) \d+ (?P<rest>.*)", re.DOTALL)
"""A number, the OID of the catalogue, the OID in it, what it is, schema, name and owner; none is quoted."""
_RUNS_NOTHING = frozenset(
    {
        b"1418",  # pg_user_mapping
        b"2328",  # pg_foreign_data_wrapper
        b"2601",  # pg_am
        b"2605",  # pg_cast
        b"2612",  # pg_language
        b"2615",  # pg_namespace
        b"2616",  # pg_opclass
        b"2753",  # pg_opfamily
        b"3079",  # pg_extension
        b"3576",  # pg_transform
        b"3601",  # pg_ts_parser
        b"3764",  # pg_ts_template
    }
)
_DEFAULT_ACL = b"826"
_EVENT_TRIGGER = b"3466"
_LATE_WORDS = (b"ACL ", b"COMMENT ", b"SECURITY LABEL ")
_NO_CATALOGUE = b"0"


@dataclass(frozen=True)
class Part:
    """Entries that follow one another, for one run of pg_restore."""

    as_superuser: bool
    entries: tuple[bytes, ...]
    keep_owner: bool = True
    """Whether they keep their owner: an event trigger's is a superuser, and elsewhere that is another."""


@dataclass(frozen=True)
class _Entry:
    line: bytes
    catalogue: bytes
    rest: bytes

    @property
    def is_event_trigger(self) -> bool:
        said = self.catalogue == _NO_CATALOGUE and self.rest.startswith(b"COMMENT - EVENT TRIGGER ")
        return said or self.catalogue == _EVENT_TRIGGER

    @property
    def is_late(self) -> bool:
        said = self.catalogue == _NO_CATALOGUE and self.rest.startswith(_LATE_WORDS)
        return said or self.catalogue == _DEFAULT_ACL

    def is_superusers(self, endings: tuple[bytes, ...]) -> bool:
        """Say whether a superuser may create it. The owner ends the line, whatever the name before it is."""
        nobodys = self.line.endswith(b" ")
        return self.catalogue in _RUNS_NOTHING or not (nobodys or self.line.endswith(endings))


def parts(listed: bytes, owners: Collection[str]) -> tuple[Part, ...]:
    """Split what `pg_restore --list` says. `owners` are the roles whose things no superuser may create.

    Privileges and comments come when all is created, as they give away rights that creating still needs; then
    event triggers, which would run at each statement.
    """
    endings = tuple(b" " + owner.encode() for owner in owners)
    first: list[_Entry] = []
    late: list[_Entry] = []
    triggers: list[_Entry] = []
    for entry in _entries(listed):
        (triggers if entry.is_event_trigger else late if entry.is_late else first).append(entry)
    found = [
        _part(run, as_superuser=as_superuser)
        for as_superuser, run in groupby(first, key=lambda entry: entry.is_superusers(endings))
    ]
    found += [_part(late, as_superuser=True), _part(triggers, as_superuser=True, keep_owner=False)]
    return tuple(part for part in found if part.entries)


def _entries(listed: bytes) -> Iterator[_Entry]:
    for line in listed.split(b"\n"):
        if found := _ENTRY.fullmatch(line):
            yield _Entry(line, found["catalogue"], found["rest"])


def _part(entries: Iterable[_Entry], *, as_superuser: bool, keep_owner: bool = True) -> Part:
    return Part(as_superuser, tuple(entry.line for entry in entries), keep_owner)
