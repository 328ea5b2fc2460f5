"""Whether an env.py uses the connection that it is handed, read without running it."""

from __future__ import annotations

import ast

from gitops_cli.config.revision_file import parse
from gitops_cli.errors import BadMigration

LINES_TO_PASTE = """\
from alembic import context

if (handed := context.config.attributes.get("connection")) is not None:
    context.configure(connection=handed)
    with context.begin_transaction():
        context.run_migrations()
"""
"""For the very top of an env.py that opens a connection of its own; what follows them stays as it is.

At the top, because real ones need a running application before they come to their connection
(`from flask import current_app` at module level).
"""


def lines_to_paste(env: str) -> str:
    """Say what to do about an env.py that ignores the connection it is handed; `env` is its path."""
    return f"paste these lines at the very top of {env}:\n\n{LINES_TO_PASTE}"


def uses_connection(data: bytes, file: str) -> bool:
    """Say whether the file mentions the connection in `config.attributes`. A hint only: running it decides.

    Raises `BadMigration` when it is no Python.
    """
    _, module = parse(data, file)
    return any(_mentions(node) for node in ast.walk(module))


def _mentions(node: ast.AST) -> bool:
    """`X.attributes["connection"]`, or `X.attributes.get("connection", ...)` and pop, setdefault."""
    if isinstance(node, ast.Subscript):
        return _is_attributes(node.value) and _is_connection(node.slice)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _is_attributes(node.func.value) and bool(node.args) and _is_connection(node.args[0])
    return (
        isinstance(node, ast.Compare)
        and _is_connection(node.left)
        and any(map(_is_attributes, node.comparators))
    )


def _is_attributes(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "attributes"


def _is_connection(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == "connection"


def env_advice(env: str, data: bytes) -> tuple[str, ...]:
    """Give the lines to show for an existing env.py: none when it uses the connection."""
    try:
        if uses_connection(data, env):
            return ()
    except BadMigration as error:
        return (error.sentence(),)
    return (f"{env} opens a connection of its own; {lines_to_paste(env)}",)
