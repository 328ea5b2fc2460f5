"""What an application should change before its first push. Its files are the developer's: it is only said."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def port_notes(tree: Tree, services: Iterable[FoundService]) -> tuple[str, ...]:
    """Name each Dockerfile whose command listens on a fixed port: on one machine two versions cannot."""
    return tuple(
        f"{service.dockerfile} starts its server on port {service.port} whatever PORT says; on one machine "
        f"old and new version run beside each other, so start it on $PORT (and say ENV PORT={service.port})"
        for service in services
        if _fixed(tree, service)
    )


def _fixed(tree: Tree, service: FoundService) -> bool:
    try:
        found = parse_dockerfile(tree.read([service.dockerfile])[service.dockerfile], service.dockerfile)
    except BadInput:  # the first push says what is wrong with it
        return False
    env = [Variable(name=name, value=value) for name, value in found.env.items()]
    return is_fixed(found.command, env, [Port(service.port)])
