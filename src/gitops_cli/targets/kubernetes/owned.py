"""Which part of a live object is ours: what `fieldsV1` of our entry names, cut out of the whole."""

from __future__ import annotations

from typing import Any

import msgspec


def owned_part(live: dict[str, Any], manager: str) -> dict[str, Any]:
    """Give the object as we last applied it: kind, name, and the fields that are still ours."""
    metadata = live.get("metadata") or {}
    fields = next(
        (
            entry.get("fieldsV1") or {}
            for entry in metadata.get("managedFields") or ()
            if entry.get("manager") == manager and entry.get("operation") == "Apply"
        ),
        {},
    )
    return _named(live, part_of(live, fields))


def others_part(live: dict[str, Any], *managers: str) -> dict[str, Any]:
    """Give what all entries of these managers name, but the status, as an object to apply."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    fields: dict[str, Any] = {}
    for entry in entries:
        if entry.get("manager") in managers:
            fields = _both(fields, entry.get("fieldsV1") or {})
    fields.pop("f:status", None)
    return _named(live, part_of(live, fields))


def part_of(live: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Give what one entry's fieldsV1 names of a live object."""
    found = _cut(live, fields) if fields else {}
    return found if isinstance(found, dict) else {}


def _named(live: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Make a part of an object one that can be applied."""
    named = {name: live["metadata"][name] for name in ("name", "namespace") if live["metadata"].get(name)}
    metadata = {**(part.get("metadata") or {}), **named}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], **part, "metadata": metadata}


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Join two trees of fields."""
    return {
        **one,
        **{name: _both(one[name], below) if name in one else below for name, below in other.items()},
    }


def _cut(value: Any, fields: dict[str, Any]) -> Any:
    """Keep what a tree of fields names: `f:` a field, `k:` a list's member by its keys, `v:` by its value."""
    if not fields:  # a leaf, or a part that is ours as a whole
        return value
    inner = {name: below for name, below in fields.items() if name != "."}  # the dot is the part itself
    if isinstance(value, dict):
        names = [(name.removeprefix("f:"), below) for name, below in inner.items() if name.startswith("f:")]
        return {name: _cut(value[name], below) for name, below in names if name in value}
    if isinstance(value, list):
        return [part for name, below in inner.items() for part in _members(value, name, below)]
    return value


def _members(items: list[Any], name: str, below: dict[str, Any]) -> list[Any]:
    kind, _, text = name.partition(":")
    if kind not in ("k", "v"):
        return []
    wanted = msgspec.json.decode(text)
    if kind == "v":
        return [item for item in items if item == wanted][:1]
    found = [
        item
        for item in items
        if isinstance(item, dict) and all(item.get(key) == value for key, value in wanted.items())
    ]
    cut = [_cut(item, below) for item in found[:1]]
    return [one if wanted.keys() & one.keys() else {**wanted, **one} for one in cut]
