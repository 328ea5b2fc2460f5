"""One migration file, read with `ast` alone: nothing of it is ever run here.

A real history holds imports, helpers, anything; only module-level assignments count, as Alembic reads them
after the import. What cannot be seen this way (a `revision` that is computed) is refused with its line.
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from gitops_cli.config.migration_lint import Finding, findings_in_sql, findings_of
from gitops_cli.errors import BadMigration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FIELDS = frozenset({"revision", "down_revision", "branch_labels", "depends_on"})
_ID = re.compile(r"[A-Za-z0-9_.]{1,64}")
"""What Alembic takes, without `@`, `+`, `-` and `:`, which mean something in its commands."""
_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_EMPTY_SQL = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/|;)*", re.DOTALL)
_Way: TypeAlias = Literal["missing", "nothing", "raises", "something"]


class SqlFile(msgspec.Struct, frozen=True):
    """A plain SQL file beside a migration, with the migration's stem."""

    path: str
    oid: str
    text: str


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One migration, as its file says."""

    id: str
    downs: tuple[str, ...]
    file: str
    oid: str
    """The file's blob id."""
    line: int
    """Where `revision` stands."""
    text: str
    title: str = ""
    depends_on: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    sql_files: tuple[SqlFile, ...] = ()
    irreversible: bool = False
    """There is no way down: no `downgrade`, or one that only raises or does nothing."""
    findings: tuple[Finding, ...] = ()
    """What breaks "one transaction"; refused while the migration is still to be run."""

    @property
    def identity(self) -> str:
        """What tells whether it was edited: the blob id, or a digest of those of all its files."""
        if not self.sql_files:
            return self.oid
        ids = [self.oid, *(f"{found.path.rpartition('/')[2]}:{found.oid}" for found in self.sql_files)]
        return hashlib.sha1("\n".join(ids).encode(), usedforsecurity=False).hexdigest()


def blob_id(data: bytes) -> str:
    """Give git's id of a blob (SHA-1), for a tree that knows none: a working tree."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def read_revision(data: bytes, file: str, oid: str, sql_files: Sequence[SqlFile] = ()) -> Revision:
    """Read a migration. Raises `BadMigration` with file and line, whatever the bytes."""
    text, module = parse(data, file)
    fields = dict(_assignments(module))
    if "revision" not in fields:
        cause = "no `revision = ...` at the top level; every file in versions/ is a migration"
        raise BadMigration(cause, code="migration.revision", file=file, line=1)
    revision, line = _value(fields, "revision", file)
    if not isinstance(revision, str) or not _ID.fullmatch(revision):
        cause = "`revision` must be letters, digits, `_` and `.`, at most 64"
        raise BadMigration(cause, code="migration.revision", file=file, line=line)
    if "down_revision" not in fields:
        cause = "no `down_revision = ...` at the top level; None for the first migration"
        raise BadMigration(cause, code="migration.revision", file=file, line=line)
    return Revision(
        id=revision,
        downs=_names(fields, "down_revision", file),
        file=file,
        oid=oid or blob_id(data),
        line=line,
        text=text,
        # clean=True would import `inspect`, and with it nine modules, in every pre-push
        title=(ast.get_docstring(module, clean=False) or "").strip().partition("\n")[0],
        depends_on=_names(fields, "depends_on", file),
        labels=_names(fields, "branch_labels", file),
        sql_files=tuple(sql_files),
        irreversible=_irreversible(module, sql_files),
        findings=(
            *findings_of(module, text, file),
            *(finding for found in sql_files for finding in findings_in_sql(found.text, found.path)),
        ),
    )


def parse(data: bytes, file: str) -> tuple[str, ast.Module]:
    """Parse Python without running it. Raises `BadMigration` with file and line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadMigration("is not UTF-8", code="migration.encoding", file=file, line=line) from None
    for number, head in enumerate(text.split("\n", 2)[:2], 1):
        cookie = _COOKIE.match(head)
        if cookie and cookie[1].lower().replace("_", "-") not in {"utf-8", "utf8", "ascii", "us-ascii"}:
            # in another encoding Python would run another text than was read here
            raise BadMigration(
                "declares another encoding than UTF-8", code="migration.encoding", file=file, line=number
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "invalid escape sequence" is no matter of ours
            return text, ast.parse(text)
    except SyntaxError as error:
        cause = f"is not valid Python: {error.msg}"
        raise BadMigration(cause, code="migration.syntax", file=file, line=error.lineno or 0) from None
    except (ValueError, RecursionError, MemoryError):  # NUL bytes; nested beyond what the parser takes
        cause = "is not valid Python: it holds NUL bytes or is nested too deeply"
        raise BadMigration(cause, code="migration.syntax", file=file) from None


def _assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Give the module-level assignments of the four fields; a later one wins, as when it runs."""
    for node in module.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            value = getattr(node, "value", None)
            if isinstance(target, ast.Name) and target.id in _FIELDS and isinstance(value, ast.expr):
                yield target.id, value


def _value(fields: dict[str, ast.expr], name: str, file: str) -> tuple[Any, int]:
    node = fields[name]
    try:
        return ast.literal_eval(node), node.lineno
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        cause = f"`{name}` must be written out, not computed: it is read without running the file"
        raise BadMigration(cause, code="migration.computed", file=file, line=node.lineno) from None


def _names(fields: dict[str, ast.expr], name: str, file: str) -> tuple[str, ...]:
    """Give a field that holds None, a string, or several strings."""
    if name not in fields:
        return ()
    value, line = _value(fields, name, file)
    if value is None:
        return ()
    several = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not all(isinstance(part, str) and part for part in several):
        raise BadMigration(f"`{name}` must be text or None", code="migration.revision", file=file, line=line)
    return tuple(dict.fromkeys(several))


def _irreversible(module: ast.Module, sql_files: Sequence[SqlFile]) -> bool:
    downs = [found for found in sql_files if found.path.endswith(".down.sql")]
    ups = [found for found in sql_files if found.path.endswith(".up.sql")]
    if _some_sql(ups) and not _some_sql(downs):
        return True
    if _way(module, "upgrade") in {"missing", "nothing"}:
        return False
    return _way(module, "downgrade") != "something"


def _some_sql(files: Sequence[SqlFile]) -> bool:
    return any(not _EMPTY_SQL.fullmatch(found.text) for found in files)


def _way(module: ast.Module, name: str) -> _Way:
    """Say what a function does at most: `downgrade = helper(...)` does something, nobody knows what."""
    way: _Way = "missing"
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            body = [part for part in node.body if not _idle(part)]
            way = "nothing" if not body else "raises" if isinstance(body[0], ast.Raise) else "something"
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            if any((alias.asname or alias.name) == name for alias in node.names):
                way = "something"
        elif isinstance(node, ast.Assign) and any(
            isinstance(to, ast.Name) and to.id == name for to in node.targets
        ):
            way = "something"
    return way


def _idle(node: ast.stmt) -> bool:
    """Say whether a statement does nothing: `pass`, `...`, a docstring, a bare `return`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Return) and node.value is None)
