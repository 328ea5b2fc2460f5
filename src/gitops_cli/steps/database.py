"""From a commit and a database to the migrations of one release: what both database steps share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.files import private_dir, remove_tree
from gitops_cli.adapters.git.names import is_oid
from gitops_cli.adapters.home import file_name
from gitops_cli.adapters.migrations import reading
from gitops_cli.adapters.migrations.job import Job, Limits
from gitops_cli.adapters.migrations.plan import Change, Move
from gitops_cli.adapters.migrations.runtime import Source, interpreter_for
from gitops_cli.adapters.postgres.access import access
from gitops_cli.config.history import refuse_pending
from gitops_cli.errors import PolicyRefused

if TYPE_CHECKING:
    from pathlib import Path

    from gitops_cli.adapters.migrations.ledger import Ledger
    from gitops_cli.adapters.postgres.access import Access
    from gitops_cli.adapters.processes import Identity
    from gitops_cli.config.history import History
    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.steps.context import Context

NOTHING = "nothing to migrate"
ACCEPT = "accept-loss"


def has_migrations(context: Context, release: Release) -> bool:
    """Say whether the pushed or the live commit has any; asks no database."""
    commits = filter(None, (release.commit, release.previous))
    return any(context.content(commit).project.migrations for commit in commits)


def access_of(context: Context, release: Release) -> Access:
    """Give the way to the database, starting the embedded one. Raises `PolicyRefused` when there is none."""
    environment = context.environment
    if environment.database == "none":
        raise PolicyRefused(
            f"gitops.yaml names migrations, and remote.yaml gives {environment.name} no database",
            code="database.none",
            next_command="leave out `migrations:`, or set `database: embedded` in remote.yaml",
        )
    project = context.content(release.commit).project
    return access(context.home, environment.name, project.name, environment.database)


def pending(context: Context, release: Release, found: Access) -> tuple[Change, Ledger]:
    """Say which migrations lie between the database and the pushed tree. Raises `BadMigration`.

    The pushed code is only read. A revision in the database that neither tree knows is refused.
    """
    new = context.content(release.commit).history
    live = context.content(release.previous).history if release.previous else new
    state = reading.read(found, release.id)
    for name in state.invalid_indexes:
        context.watch.says(
            f"note: index {name} is invalid, left by an interrupted CREATE INDEX CONCURRENTLY; drop it"
        )
    path = reading.path(new, live, state)
    refuse_pending(new, path.ups)
    moves = [_move(live, "old", "down", revision) for revision in path.downs]
    moves += [_move(new, "new", "up", revision) for revision in path.ups]
    return Change(tuple(moves), state.heads, (new.head,) if new.head else ()), state.ledger


def _move(history: History, tree: str, direction: str, name: str) -> Move:
    revision = history.get(name)
    file, identity = (revision.file, revision.identity) if revision else ("", "")
    return Move(tree, "down" if direction == "down" else "up", name, file, identity)


def job_of(context: Context, release: Release, found: Access, change: Change, record: Record) -> Job:
    """Put together everything that running the change needs; exports the trees that it runs from."""
    environment = context.environment
    timeouts, policy = environment.timeouts, environment.policy

    def started(child: Identity) -> None:
        record.note(child=msgspec.to_builtins(child))

    return Job(
        home=context.home,
        environment=environment.name,
        access=found,
        level=context.level,
        interpreter=interpreter_for(context.target.libraries(context.wanted(release))),
        sources=_sources(context, release, change),
        change=change,
        texts=_texts(context, release),
        irreversible=_irreversible(context, release),
        release=release.id,
        number=release.number,
        actor=release.actor,
        accept=accepted(release.options),
        allow_loss=policy.accept_loss,
        allow_irreversible=policy.allow_irreversible,
        limits=Limits(rehearsal=timeouts.rehearsal, migration=timeouts.migration, lock=timeouts.lock),
        says=context.watch.says,
        started=started,
    )


def accepted(options: tuple[str, ...]) -> tuple[str, ...]:
    """Read `-o accept-loss` (everything: `*`) and `-o accept-loss=NAME`."""
    found = [option for option in options if option.partition("=")[0] == ACCEPT]
    return tuple(option.partition("=")[2] or "*" for option in found)


def _commits(context: Context, release: Release) -> dict[str, str]:
    found = {"new": release.commit, "old": release.previous}
    return {
        name: commit for name, commit in found.items() if commit and context.content(commit).history.folder
    }


def _place(context: Context, commit: str) -> Path:
    return context.home.exports / f"{file_name(context.environment.name)}-{commit}"


def _sources(context: Context, release: Release, change: Change) -> dict[str, Source]:
    """Export the trees whose text runs. A folder that is there is whole."""
    wanted = {move.tree for move in change.moves}
    private_dir(context.home.exports)
    found = {}
    for name, commit in _commits(context, release).items():
        if name in wanted:
            place = _place(context, commit)
            if not place.is_dir():
                context.repo.export(commit, place)
            folder = context.content(commit).history.folder
            found[name] = Source(place, folder, _ini(context, commit, folder))
    return found


def _ini(context: Context, commit: str, folder: str) -> str:
    """Find the project's own alembic.ini: in the migration folder, above it, or at the top."""
    entries = context.repo.tree(commit).entries
    parts = folder.split("/")
    places = ["/".join([*parts[:size], "alembic.ini"]) for size in range(len(parts), -1, -1)]
    return next((place for place in places if place in entries), "")


def _texts(context: Context, release: Release) -> dict[str, str]:
    texts = {}
    for commit in _commits(context, release).values():
        for revision in context.content(commit).history.revisions:
            parts = [revision.text, *(f"-- {found.path}\n{found.text}" for found in revision.sql_files)]
            texts[revision.identity] = "\n".join(parts)
    return texts


def _irreversible(context: Context, release: Release) -> frozenset[str]:
    histories = [context.content(commit).history for commit in _commits(context, release).values()]
    return frozenset(found.id for history in histories for found in history.revisions if found.irreversible)


def forget_leftovers(context: Context) -> None:
    """Remove what killed rehearsals exported. Only under the lock, and with no release open."""
    prefix = f"{file_name(context.environment.name)}-"
    for place in context.home.exports.iterdir() if context.home.exports.is_dir() else ():
        if place.name.startswith(prefix) and is_oid(place.name.removeprefix(prefix)):
            remove_tree(place)


def forget_exports(context: Context, release: Release) -> None:
    """Remove what was exported for this release. Idempotent."""
    for commit in filter(None, (release.commit, release.previous)):
        remove_tree(_place(context, commit))
