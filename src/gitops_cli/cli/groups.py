"""Groups that import a command only when it is called: `gitops --help` imports none."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from gitops_cli.cli.catalogue import ROOT, Group, Leaf

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN: dict[str, Any] = {
    # completion writes into the user's shell files; rich and its tracebacks cost 120 ms a command
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}


class LazyGroup(TyperGroup):
    """A group of the catalogue."""

    def __init__(self, *, table: Mapping[str, Leaf | Group] = ROOT, **attributes: Any) -> None:
        """`table` is this group's part of the catalogue."""
        super().__init__(**attributes)
        self.table = table
        self.commands = dict.fromkeys(table, self)  # the names, for typer's "did you mean"

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Give the names in the catalogue's order."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        """Import one command."""
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        if isinstance(entry, Group):
            return LazyGroup(
                name=cmd_name,
                table=entry.commands,
                help=entry.help,
                no_args_is_help=True,
                rich_markup_mode=None,
            )
        app = typer.Typer(**_PLAIN)
        app.command(cmd_name)(import_module(entry.module).command)
        return typer.main.get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """List the commands with the catalogue's help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.table.items()])


def root() -> Any:
    """Make the whole command line."""
    app = typer.Typer(cls=LazyGroup, no_args_is_help=True, **_PLAIN)

    @app.callback()
    def gitops(  # pragma: no cover - `--version` is answered before typer is imported
        *,
        version: bool = typer.Option(False, "--version", help="Print the version."),
    ) -> None:
        """Git is the only tool you need: `git push` is the release, all or nothing.

        Every command takes --json. Exit codes: 0 done, 1 refused or failed, 2 usage,
        3 a bug of gitops (with a report), 130 interrupted.
        """

    return typer.main.get_command(app)
