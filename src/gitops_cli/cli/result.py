"""What a command gives back: data for programs, lines and a table for people. Nothing is printed here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, also for errors.")]
HomeFolder = Annotated[
    str,
    typer.Option("--home", metavar="DIR", help="The remote's folder; default: that of git remote `gitops`."),
]
RemoteName = Annotated[str, typer.Option("--remote", metavar="NAME", help="The git remote.")]
EnvironmentName = Annotated[
    str,
    typer.Option(
        "--environment", "-e", metavar="NAME", help="Default: the one that this branch releases to."
    ),
]


@dataclass(frozen=True)
class Table:
    """Rows for people."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Result:
    """How a command ended well."""

    data: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    table: Table | None = None


def notes(said: Iterable[str]) -> list[str]:
    """Give the lines of notes; one with lines to paste has several."""
    return [line for note in said for line in f"note: {note}".split("\n")]
