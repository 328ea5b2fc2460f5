"""What of a change the version before it cannot bear, while its pods still serve beside the new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.migrations.inventory import keeps_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitops_cli.adapters.migrations.inventory import Column, Inventory, Table


class Break(msgspec.Struct, frozen=True):
    """One thing that a program written for the schema before would stumble over."""

    what: str
    """As people say it: `items.note is dropped`."""
    revision: str
    """The revision that does it."""


def breaks(before: Inventory, steps: Sequence[tuple[str, Inventory]]) -> tuple[Break, ...]:
    """Name everything that is gone, renamed or newly demanded at the end, and the revision that did it.

    `steps` are the tables after each revision. What a revision takes and a later one gives back counts not.
    """
    if not steps:
        return ()
    first: dict[str, str] = {}
    for revision, after in steps:
        for what in unbearable(before, after):
            first.setdefault(what, revision)
    return tuple(Break(what, first[what]) for what in unbearable(before, steps[-1][1]))


def unbearable(before: Inventory, after: Inventory) -> Iterator[str]:
    """Say, one by one, what is dropped, renamed, of another type, or must not be NULL any more."""
    for oid, table in before.items():
        if table.partition:  # its parent tells
            continue
        now = after.get(oid)
        if now is None:
            yield f"{_name(table)} is dropped"
        elif _name(now) != _name(table):
            yield f"{_name(table)} is renamed to {_name(now)}"
        else:
            yield from _columns(table, now)


def _columns(table: Table, now: Table) -> Iterator[str]:
    for attnum, column in table.columns.items():
        other = now.columns.get(attnum)
        name = f"{_name(table)}.{column.name}"
        if other is None:
            yield f"{name} is dropped"
        else:
            yield from _column(name, column, other)
    for attnum, column in now.columns.items():
        if attnum not in table.columns and column.required:
            yield f"{_name(table)}.{column.name} is new, NOT NULL and without a default"


def _column(name: str, column: Column, other: Column) -> Iterator[str]:
    if other.name != column.name:
        yield f"{name} is renamed to {other.name}"
    if not keeps_values(column.type, other.type):
        yield f"{name} becomes {other.type}"
    if other.not_null and not column.not_null:
        yield f"{name} becomes NOT NULL"


def _name(table: Table) -> str:
    return table.name if table.schema == "public" else f"{table.schema}.{table.name}"
