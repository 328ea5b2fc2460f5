"""A migration history as its tree has it: a graph with one head, read without running any of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.config.envpy import env_advice
from gitops_cli.config.paths import below, refuse_links
from gitops_cli.config.revision_file import Revision, SqlFile, blob_id, read_revision
from gitops_cli.errors import BadMigration, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitops_cli.config.tree import Entry, Tree

__all__ = ["History", "Path", "Revision", "compare", "env_advice", "follow", "load_history", "refuse_pending"]

MAX_FILES = 5_000
MAX_BYTES = 1 << 20
MAX_TOTAL = 8 << 20
"""Parsing costs up to 3 s a MiB when somebody means it; 1,000 real migrations have 3 MiB."""


class History(msgspec.Struct, frozen=True):
    """Every migration of a tree, parents before children."""

    folder: str = ""
    revisions: tuple[Revision, ...] = ()
    head: str = ""
    """The newest revision; empty when there is none."""

    def get(self, revision: str) -> Revision | None:
        """Give one migration by its id."""
        return next((found for found in self.revisions if found.id == revision), None)

    @property
    def applied(self) -> tuple[tuple[str, str], ...]:
        """What a database at this history's head has applied: id and identity, oldest first."""
        return tuple((found.id, found.identity) for found in self.revisions)


class Path(msgspec.Struct, frozen=True):
    """From where a database is to where a tree wants it: downs first, newest first; then ups."""

    downs: tuple[str, ...] = ()
    ups: tuple[str, ...] = ()


def load_history(tree: Tree, folder: str) -> History:
    """Read the Alembic folder of a tree; an empty `folder` means no database and gives an empty history.

    Raises `BadMigration` for what is wrong with it (with file and line), `LimitExceeded` for too much.
    """
    if not folder:
        return History()
    entries = _entries(tree, folder)
    contents = tree.read(entries)
    stems: dict[str, list[SqlFile]] = defaultdict(list)
    for path in entries:
        if path.endswith(".sql"):
            stem = path.removesuffix(".sql").removesuffix(".up").removesuffix(".down")
            if f"{stem}.py" in entries:
                stems[stem].append(_sql_file(entries[path], contents[path]))
            elif path.endswith((".up.sql", ".down.sql")):
                cause = f"there is no {stem.rpartition('/')[2]}.py beside it, so nothing would run it"
                raise BadMigration(cause, code="migration.sql", file=path)
    revisions = [
        read_revision(contents[path], path, entries[path].oid, stems[path.removesuffix(".py")])
        for path in entries
        if path.endswith(".py")
    ]
    ordered = _ordered(revisions)
    return History(folder, tuple(ordered), _head(ordered))


def _entries(tree: Tree, folder: str) -> dict[str, Entry]:
    """Give the migrations' files, checked against the limits."""
    env = below(folder, "env.py")
    if env not in tree.entries:
        cause = f"`migrations: {folder}` is no Alembic folder: there is no {env} in {tree.label}"
        raise BadMigration(cause, code="migration.folder", file="gitops.yaml")
    versions = below(folder, "versions")
    if versions in tree.entries:
        refuse_links(tree.entries[versions], "migration")
    found: dict[str, Entry] = {}
    for path, entry in sorted(tree.entries.items()):
        if path == env or path.startswith(f"{versions}/"):
            refuse_links(entry, "migration")
        inside = path.removeprefix(f"{versions}/") if path.startswith(f"{versions}/") else "/"
        if "/" in inside or not inside.endswith((".py", ".sql")) or inside.startswith((".#", "__init__")):
            continue  # Alembic looks in this folder alone, and passes these names over
        if entry.size > MAX_BYTES:
            raise LimitExceeded(f"larger than {MAX_BYTES} bytes", code="migration.limit", file=path)
        found[path] = entry
    if len(found) > MAX_FILES:
        raise LimitExceeded(f"more than {MAX_FILES} migration files", code="migration.limit", file=versions)
    if sum(entry.size for entry in found.values()) > MAX_TOTAL:
        raise LimitExceeded(
            f"more than {MAX_TOTAL} bytes of migrations", code="migration.limit", file=versions
        )
    return found


def _sql_file(entry: Entry, data: bytes) -> SqlFile:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadMigration("is not UTF-8", code="migration.encoding", file=entry.path, line=line) from None
    return SqlFile(entry.path, entry.oid or blob_id(data), text)


def _ordered(revisions: Sequence[Revision]) -> list[Revision]:
    """Put parents before children. Raises for an id that stands twice, a parent that is missing, a circle."""
    known: dict[str, Revision] = {}
    for revision in revisions:
        first = known.setdefault(revision.id, revision)
        if first is not revision:
            cause = f"revision {revision.id} is already in {first.file}"
            raise BadMigration(cause, code="migration.duplicate", file=revision.file, line=revision.line)
    labels = {label: revision.id for revision in revisions for label in revision.labels}
    waits = {revision.id: _parents(revision, known, labels) for revision in revisions}
    children: dict[str, list[str]] = defaultdict(list)
    for revision in revisions:
        for parent in waits[revision.id]:
            children[parent].append(revision.id)
    ready = sorted((name for name, parents in waits.items() if not parents), reverse=True)
    ordered: list[Revision] = []
    while ready:
        name = ready.pop()
        ordered.append(known[name])
        for child in reversed(children[name]):
            waits[child].discard(name)
            if not waits[child]:
                ready.append(child)
    if len(ordered) < len(revisions):
        done = {revision.id for revision in ordered}
        stuck = next(revision for revision in revisions if revision.id not in done)
        cause = f"revision {stuck.id} comes after itself: the down_revisions make a circle"
        raise BadMigration(cause, code="migration.cycle", file=stuck.file, line=stuck.line)
    return ordered


def _parents(revision: Revision, known: Mapping[str, Revision], labels: Mapping[str, str]) -> set[str]:
    for parent in revision.downs:
        if parent not in known:
            cause = f"its down_revision {parent} is in no file"
            raise BadMigration(cause, code="migration.parent", file=revision.file, line=revision.line)
    needs = {labels.get(name, name) for name in revision.depends_on}
    lost = sorted(needs - known.keys())
    if lost:
        cause = f"it depends on {lost[0]}, which is in no file"
        raise BadMigration(cause, code="migration.parent", file=revision.file, line=revision.line)
    return {*revision.downs, *needs}


def _head(ordered: Sequence[Revision]) -> str:
    """Give the one revision that nothing follows. Raises when there are two."""
    followed = {parent for revision in ordered for parent in revision.downs}
    heads = [revision for revision in ordered if revision.id not in followed]
    if len(heads) > 1:
        first, second = heads[0], heads[-1]
        cause = (
            f"{'two' if len(heads) == 2 else len(heads)} heads: "  # noqa: PLR2004 - a word for the usual case
            f"{first.id} ({first.file}) and {second.id} ({second.file})"
        )
        after = f'set down_revision = "{first.id}" in {second.file}'
        raise BadMigration(
            cause, code="migration.heads", file=second.file, line=second.line, next_command=after
        )
    return heads[0].id if heads else ""


def compare(live: History, new: History) -> Path:
    """Say how a database goes from the live tree's history to a new one's. Raises `BadMigration`."""
    return follow(new, live.applied)


def follow(new: History, applied: Sequence[tuple[str, str]]) -> Path:
    """Say how a database with these migrations applied (id and identity, oldest first) gets to a history.

    A migration that is no longer there is a way down. An identity that is empty is not compared. Raises
    `BadMigration` for one that was edited after it was applied, and for a history that cannot follow.
    """
    known = {revision.id: revision for revision in new.revisions}
    kept = {name for name, _ in applied if name in known}
    for name, identity in applied:
        revision = known.get(name)
        if revision is None:
            continue
        if identity and identity not in {revision.identity, revision.oid}:
            raise BadMigration(
                f"migration {name} was edited after it was applied",
                code="migration.edited",
                file=revision.file,
                line=revision.line,
                next_command="put the file back as it was and write a new migration",
            )
        below_it = next((parent for parent in revision.downs if parent not in kept), None)
        if below_it is not None:
            lost = known[below_it]
            cause = f"{below_it} was put below {name}, which is already applied; a new migration goes on top"
            raise BadMigration(cause, code="migration.below", file=lost.file, line=lost.line)
    downs = tuple(name for name, _ in reversed(applied) if name not in known)
    return Path(downs, tuple(revision.id for revision in new.revisions if revision.id not in kept))


def refuse_pending(history: History, names: Sequence[str]) -> None:
    """Refuse what breaks the one transaction in migrations that are still to run. Raises `BadMigration`."""
    wanted = set(names)
    for revision in history.revisions:
        for finding in revision.findings if revision.id in wanted else ():
            cause = f"{finding.what}; {finding.remedy}"
            raise BadMigration(cause, code="migration.transaction", file=finding.file, line=finding.line)
