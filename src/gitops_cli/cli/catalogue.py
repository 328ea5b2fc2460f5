"""Every command by name: where its module is and what `--help` says. Nothing is imported to list them."""

from __future__ import annotations

from typing import NamedTuple

_COMMANDS = "gitops_cli.cli.commands."


class Leaf(NamedTuple):
    """A command: the module that holds its function `command`, and one line of help."""

    module: str
    help: str


class Group(NamedTuple):
    """Commands under a common first word."""

    commands: dict[str, Leaf]
    help: str


ROOT: dict[str, Leaf | Group] = {
    "init": Leaf(_COMMANDS + "init", "Write what is missing, make the remote, add it to git."),
    "validate": Leaf(
        _COMMANDS + "validate", "Say what the remote would say of a commit or the working tree."
    ),
    "migrate": Group(
        {
            "create": Leaf(_COMMANDS + "migrate_create", "Write a new migration."),
            "status": Leaf(_COMMANDS + "migrate_status", "List the migrations and say which are live."),
            "check": Leaf(_COMMANDS + "migrate_check", "Rehearse the new migrations: up, down and up again."),
        },
        "Create, list and check migrations.",
    ),
    "status": Leaf(_COMMANDS + "status", "Say what runs, or what became of a commit."),
    "history": Leaf(_COMMANDS + "history", "List the releases of an environment."),
    "logs": Leaf(_COMMANDS + "logs", "Print what a release or a service printed."),
    "rollback": Leaf(_COMMANDS + "rollback", "Push a commit whose tree is that of an earlier release."),
    "remote": Group(
        {
            "init": Leaf(_COMMANDS + "remote_init", "Make a remote: repository, hooks, remote.yaml."),
            "show": Leaf(_COMMANDS + "remote_show", "Say what a remote releases, and where."),
            "rbac": Leaf(_COMMANDS + "remote_rbac", "Print the least rights that a cluster must give."),
        },
        "Make and show remotes.",
    ),
    "open": Leaf(_COMMANDS + "open", "Open the page of a service."),
    "agent": Leaf(_COMMANDS + "agent", "Keep what runs equal to what was released."),
    "recover": Leaf(_COMMANDS + "recover", "Settle what a crash left, and start what should run."),
    "down": Leaf(_COMMANDS + "down", "Stop everything that a remote runs."),
    "demo": Leaf(_COMMANDS + "demo", "Tell the whole story on this machine, in a new folder."),
}


def command_name(argv: list[str]) -> str:
    """Say which command these arguments name, as the envelope calls it: `migrate create`; empty: none."""
    words = [word for word in argv if not word.startswith("-")]
    found = ROOT.get(words[0]) if words else None
    if isinstance(found, Group):
        return f"{words[0]} {words[1]}" if words[1:2] and words[1] in found.commands else words[0]
    return words[0] if found else ""


def leaves() -> list[tuple[str, Leaf]]:
    """Give every command with its full name, in order."""
    found: list[tuple[str, Leaf]] = []
    for name, entry in ROOT.items():
        if isinstance(entry, Group):
            found += [(f"{name} {word}", leaf) for word, leaf in entry.commands.items()]
        else:
            found.append((name, entry))
    return found
