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
    from collections.abc import Collection

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


def parts(listed: bytes, owners: Collection[str]) -> tuple[Part, ...]:
    """Split what `pg_restore --list` says. `owners` are the roles whose things no superuser may create.

    Privileges and comments come when all is created, as they give away rights that creating still needs; then
    event triggers, which would run at each statement.
    """
    entries = [line for line in listed.split(b"\n") if _ENTRY.fullmatch(line)]
    triggers = [entry for entry in entries if _is_event_trigger(entry)]
    entries = [entry for entry in entries if not _is_event_trigger(entry)]
    late = [entry for entry in entries if _is_late(entry)]
    endings = tuple(b" " + owner.encode() for owner in owners)
    rest = groupby(
        (entry for entry in entries if not _is_late(entry)), key=lambda entry: _is_operators(entry, endings)
    )
    found = [Part(as_superuser, tuple(run)) for as_superuser, run in rest]
    found.append(Part(as_superuser=True, entries=tuple(late)))
    found.append(Part(as_superuser=True, entries=tuple(triggers), keep_owner=False))
    return tuple(part for part in found if part.entries)


def _is_late(entry: bytes) -> bool:
    catalogue, rest = _read(entry)
    return catalogue == _DEFAULT_ACL or (catalogue == _NO_CATALOGUE and rest.startswith(_LATE_WORDS))


def _is_event_trigger(entry: bytes) -> bool:
    catalogue, rest = _read(entry)
    said = catalogue == _NO_CATALOGUE and rest.startswith(b"COMMENT - EVENT TRIGGER ")
    return said or catalogue == _EVENT_TRIGGER


def _is_operators(entry: bytes, endings: tuple[bytes, ...]) -> bool:
    """Say whether a superuser may create it. The owner ends the line, whatever the name before it is."""
    if _read(entry)[0] in _RUNS_NOTHING:
        return True
    nobodys = entry.endswith(b" ")
    return not nobodys and not entry.endswith(endings)


def _read(entry: bytes) -> tuple[bytes, bytes]:
    found = _ENTRY.fullmatch(entry)
    assert found is not None  # noqa: S101 - `parts` takes no other line
    return found["catalogue"], found["rest"]
