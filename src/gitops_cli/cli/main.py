"""The boundary of the command line: parse, run one command, print once, give the exit code."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import typer

from gitops_cli import __version__
from gitops_cli.cli import render
from gitops_cli.cli.catalogue import command_name
from gitops_cli.cli.groups import root
from gitops_cli.errors import Bug, GitopsError, UsageError

if TYPE_CHECKING:
    from gitops_cli.cli.result import Result

INTERRUPTED = 130
_SAME = "the same with"
"""How a next command begins that is this one with an option more: only here is it known in full."""
# ClickException, by way of a public name: typer 0.28 brings a click of its own, earlier ones import it.
_CLICK_ERROR: Any = typer.BadParameter.__mro__[2]


def run(argv: list[str]) -> int:
    """Run one command line and give its exit code: 0, 1, 2, 3 or 130."""
    as_json = "--json" in argv[: argv.index("--")] if "--" in argv else "--json" in argv
    command = command_name(argv)
    try:
        done = _invoke(argv)
        if done is not None:
            render.result(done, command, as_json=as_json)
    except KeyboardInterrupt:
        return _fail(_interrupted(), command, as_json=as_json)
    except BrokenPipeError:
        return _no_reader()
    except GitopsError as error:
        error.next_command = _spelt(error.next_command, argv)
        return _fail(error, command, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the one boundary: whatever it is, say it in a sentence
        return _fail(_bug(error, command), command, as_json=as_json)
    return 0


def _invoke(argv: list[str]) -> Result | None:
    if argv[:1] == ["--version"]:
        from gitops_cli.cli.result import Result as Given  # noqa: PLC0415 - as render has it

        return Given(data={"version": __version__}, lines=(f"gitops {__version__}",))
    try:
        done = root().main(args=argv, prog_name="gitops", standalone_mode=False)
    except _CLICK_ERROR as error:
        raise _usage(error, command_name(argv), quiet="--json" in argv) from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    if done == INTERRUPTED:  # typer turns Ctrl-C into this code
        raise KeyboardInterrupt
    return None if isinstance(done, int) else done


def _usage(error: Any, command: str, *, quiet: bool) -> UsageError:
    context = getattr(error, "ctx", None)
    # the parser of options knows no context where an option lacks its value
    path = context.command_path if context is not None else f"gitops {command}".strip()
    message = str(error.format_message()).strip()
    if "\n" in message:  # no arguments at all: the message is the whole help
        if not quiet:
            render.text(message.splitlines())
        message = "a command is missing"
    return UsageError(message.rstrip("."), next_command=f"{path} --help")


def _spelt(advice: str, argv: list[str]) -> str:
    """Spell out "the same with --option": the command as it was typed, and the option."""
    if not advice.startswith(_SAME):
        return advice
    return shlex.join(["gitops", *argv]) + advice.removeprefix(_SAME)


def _interrupted() -> GitopsError:
    stopped = GitopsError("interrupted", code="interrupted", changed="", next_command="gitops status")
    stopped.exit_code = INTERRUPTED
    return stopped


def _bug(error: Exception, command: str) -> Bug:
    from gitops_cli.adapters.report import write_report  # noqa: PLC0415 - only when there is a bug

    path = write_report(command, error)
    return Bug(
        f"a bug of gitops ({type(error).__name__}); a report is in {path}",
        changed="what was changed is unknown",
        next_command="gitops status",
    )


def _fail(error: GitopsError, command: str, *, as_json: bool) -> int:
    render.failure(error, command, as_json=as_json)
    return error.exit_code


def _no_reader() -> int:
    # `gitops history | head`: not an error; the interpreter would complain when it flushes at the end
    sys.stdout = None  # what Python itself does when there is no stream
    return 0
