"""What an application should change before its first push. Its files are the developer's: it is only said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.text import safe
from gitops_cli.config.dockerfile import parse_dockerfile
from gitops_cli.config.history import env_advice
from gitops_cli.config.paths import below
from gitops_cli.errors import BadInput
from gitops_cli.targets.local.compile import is_fixed
from gitops_cli.targets.local.inventory import Port, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitops_cli.config.tree import Tree
    from gitops_cli.scaffold.detect import FoundService


def env_notes(tree: Tree, folder: str) -> tuple[str, ...]:
    """Say which lines the env.py of a migration folder lacks."""
    path = below(folder, "env.py") if folder else ""
    return env_advice(path, tree.read([path])[path]) if path in tree.entries else ()


def dockerfile_notes(tree: Tree, services: Iterable[FoundService]) -> tuple[str, ...]:
    """Name what stands in a Dockerfile and cannot be on one machine without containers."""
    notes: list[str] = []
    for service in services:
        file = service.dockerfile
        try:
            found = parse_dockerfile(tree.read([file])[file], file)
        except BadInput:  # the first push says what is wrong with it
            continue
        notes += (
            f"{file}:{line.line}: {safe(line.text)} needs a container: a push to this machine refuses it"
            for line in found.unsupported
        )
        env = [Variable(name=name, value=value) for name, value in found.env.items()]
        if is_fixed(found.command, env, [Port(service.port)]):
            notes.append(
                f"{file} starts its server on port {service.port} whatever PORT says; on one machine old and "
                f"new version run beside each other: say ENV PORT={service.port} and start it on $PORT, "
                "in shell form (CMD gunicorn --bind 0.0.0.0:$PORT app:app)"
            )
    return tuple(notes)
