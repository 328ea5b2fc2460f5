r"""What in a migration breaks "all pending migrations in one transaction": said with line and remedy.

A lint, never a defence: Python can hide anything from it, and the commit guard in the database holds then.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = re.compile(
    r"autocommit_block|commit|rollback|isolation_level|create_engine|engine_from_config"
    r"|\b(?:abort|begin|end|start\s+transaction|prepare\s+transaction)\b",
    re.IGNORECASE,
)
"""Most migrations hold none of these words, and then the tree is not walked: 1,000 files stay quick."""
_ENDS = re.compile(
    r"(?:^|;)\s*(?P<word>COMMIT|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO\b)|ABORT|END|BEGIN"
    r"|START\s+TRANSACTION|PREPARE\s+TRANSACTION)\b(?:\s+(?:WORK|TRANSACTION|AND\s+(?:NO\s+)?CHAIN|'[^']*'))*\s*(?:;|$)",
    re.IGNORECASE,
)
_HIDDEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$", re.DOTALL
)
"""Comments, strings and bodies of functions, where BEGIN and END are no commands of the session."""
_MAX_SQL = 1 << 20

_CONNECTIONS = frozenset({"bind", "conn", "connection", "connectable", "engine", "trans", "transaction"})
_ONE = "a push is one transaction, which gitops commits"
_CALLS = {
    "autocommit_block": (
        "autocommit_block() commits everything before it",
        "leave it out; what cannot run in a transaction (CONCURRENTLY) has to be written without it",
    ),
    "commit": ("commit() ends the transaction that holds all migrations", f"leave it out; {_ONE}"),
    "rollback": (
        "rollback() undoes the migrations before it",
        "leave it out; raise an exception to stop the release",
    ),
    "create_engine": ("create_engine() opens a second connection", "use op.get_bind()"),
    "engine_from_config": ("engine_from_config() opens a second connection", "use op.get_bind()"),
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that cannot be in a migration that is still to be run."""

    file: str
    line: int
    what: str
    remedy: str


def findings_of(module: ast.Module, text: str, file: str) -> tuple[Finding, ...]:
    """Look through the Python of a migration."""
    if not _WORDS.search(text):
        return ()
    found = (
        finding for node in ast.walk(module) if isinstance(node, ast.Call) for finding in _in_call(node, file)
    )
    return tuple(sorted(found, key=lambda finding: finding.line))


def findings_in_sql(text: str, file: str, first_line: int = 1) -> Iterator[Finding]:
    """Look through SQL for commands that begin or end a transaction."""
    if len(text) > _MAX_SQL or not _WORDS.search(text):
        return
    plain = _HIDDEN.sub(lambda match: "\n" * match[0].count("\n") or " ", text)
    for match in _ENDS.finditer(plain):
        word = " ".join(match["word"].upper().split())
        line = first_line + plain.count("\n", 0, match.start("word"))
        yield Finding(file, line, f"{word} begins or ends a transaction of its own", f"leave it out; {_ONE}")


def _in_call(node: ast.Call, file: str) -> Iterator[Finding]:
    name = _name(node.func)
    if name in _CALLS and (name not in {"commit", "rollback"} or _of_connection(node.func)):
        yield Finding(file, node.lineno, *_CALLS[name])
    if any(keyword.arg == "isolation_level" for keyword in node.keywords):
        what = "isolation_level takes the connection out of the transaction"
        yield Finding(file, node.lineno, what, f"leave it out; {_ONE}")
    if name in {"execute", "exec_driver_sql", "scalar", "scalars"} and node.args:
        text = _sql(node.args[0])
        if text:
            yield from findings_in_sql(text, file, node.args[0].lineno)


def _of_connection(node: ast.expr) -> bool:
    """Say whether it is `op.get_bind().commit()`, or of a name that connections usually have.

    An ORM Session on the migration's connection commits nothing of it, and flushes; the guard in the database
    decides about anything else.
    """
    if not isinstance(node, ast.Attribute):
        return False
    of = node.value
    if isinstance(of, ast.Call):
        return _name(of.func) in {"get_bind", "connect", "begin", "get_transaction"}
    return _name(of) in _CONNECTIONS


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _sql(node: ast.expr) -> str:
    """Give the text of `"..."` or `text("...")`."""
    if isinstance(node, ast.Call) and _name(node.func) in {"text", "DDL"} and node.args:
        node = node.args[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
