"""Whether an env.py uses the connection that it is handed, read without running it."""

from __future__ import annotations

import ast
import contextlib

from gitops_cli.config.revision_file import parse
from gitops_cli.errors import BadMigration

LINES_TO_PASTE = """\
from alembic import context

if (handed := context.config.attributes.get("connection")) is not None:
    context.configure(connection=handed)
    with context.begin_transaction():
        context.run_migrations()
"""
"""For the top of an env.py that opens a connection of its own; what follows them stays as it is.

At the top, because real ones need a running application before they come to their connection
(`from flask import current_app` at module level).
"""


_READ = 1 << 20
"""Bytes: parsing costs up to 3 s a MiB when somebody means it."""


def where_to_paste(env: str, data: bytes) -> str:
    """Say where those lines belong in an env.py; `env` is its path.

    The very top, but never before `from __future__ import ...`: Python takes that nowhere else.
    """
    lines = [0]
    if len(data) <= _READ:
        with contextlib.suppress(BadMigration):
            _, module = parse(data, env)
            lines += [node.end_lineno or node.lineno for node in module.body if _is_future(node)]
    return f"below line {max(lines)} of {env}" if max(lines) else f"at the very top of {env}"


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


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
    """Give a note of several lines for an existing env.py: none when it uses the connection."""
    try:
        if uses_connection(data, env):
            return ()
    except BadMigration as error:
        return (error.sentence(),)
    where = where_to_paste(env, data)
    return (f"{env} opens a connection of its own; paste these lines {where}:\n\n{LINES_TO_PASTE}",)
