"""The only module of the command line that prints. Everything passes `safe`: much of it came from a push."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

from gitops_cli import __version__
from gitops_cli.adapters.text import safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.cli.result import Result, Table
    from gitops_cli.errors import GitopsError

_CLEAR = "\r\x1b[K"
"""Back to the beginning of the line, and empty it."""
_HINT = 60
"""Characters: a hint that wraps could not be cleared."""
_WIDEST = 4000
"""Characters of one printed line."""


class Out:
    """Where a command that takes its time says how far it is; silent under `--json`."""

    def __init__(self, *, as_json: bool) -> None:
        """`as_json`: only the envelope may reach standard output."""
        self._silent = as_json
        self._live = not as_json and sys.stdout.isatty()

    def say(self, line: str) -> None:
        """Print one line at once."""
        if self._live:
            sys.stdout.write(_CLEAR)
        if not self._silent:
            _write(sys.stdout, line)

    def hint(self, line: str) -> None:
        """Show on a terminal what goes on now, until the next line takes its place; else nothing."""
        if self._live:
            sys.stdout.write(_CLEAR + safe(line, _HINT))
            sys.stdout.flush()


def _write(stream: TextIO, line: str) -> None:
    stream.write(safe(line, _WIDEST) + "\n")
    stream.flush()


def _plain(table: Table) -> list[str]:
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _rich(table: Table) -> None:
    from rich.console import Console  # noqa: PLC0415 - 70 ms, for a terminal only
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = RichTable(box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        drawn.add_column(column, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)


def _draw(table: Table) -> None:
    from gitops_cli.cli.result import Table as Clean  # noqa: PLC0415 - keeps `--help` small

    clean = Clean(table.columns, tuple(tuple(safe(cell, 300) for cell in row) for row in table.rows))
    if sys.stdout.isatty():
        _rich(clean)
        return
    for line in _plain(clean):
        _write(sys.stdout, line)


def _envelope(command: str, *, ok: bool, **rest: Any) -> None:
    # ensure_ascii: a terminal sees no control or bidirectional character of a push
    body = {"ok": ok, "command": command, "version": __version__, **rest}
    sys.stdout.write(json.dumps(body, ensure_ascii=True, default=_builtin) + "\n")
    sys.stdout.flush()


def _builtin(value: object) -> Any:
    import msgspec  # noqa: PLC0415 - only records need it

    return msgspec.to_builtins(value)


def result(done: Result, command: str, *, as_json: bool) -> None:
    """Print what a command gave back."""
    if as_json:
        _envelope(command, ok=True, data=done.data)
        return
    if done.table is not None:
        _draw(done.table)
    for line in done.lines:
        _write(sys.stdout, line)


def failure(error: GitopsError, command: str, *, as_json: bool) -> None:
    """Print what went wrong: a sentence on standard error, or the envelope on standard output."""
    if as_json:
        _envelope(
            command,
            ok=False,
            error={
                "code": error.code,
                "stage": error.stage,
                "cause": error.cause,
                "file": error.file,
                "line": error.line,
                "changed": error.changed,
                "next": error.next_command,
                "also": error.also,
            },
        )
        return
    where = ": ".join(part for part in (error.stage, error.place, error.cause) if part)
    _write(sys.stderr, f"gitops: {where}")
    for line in error.also:
        _write(sys.stderr, f"  also: {line}")
    for label, text in (("changed", error.changed), ("next", error.next_command)):
        if text:
            _write(sys.stderr, f"  {label}: {text}")


def text(lines: Sequence[str]) -> None:
    """Print lines as they are on standard error: the usage of a command."""
    for line in lines:
        _write(sys.stderr, line)
