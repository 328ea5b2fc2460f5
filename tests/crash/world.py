"""A world that releases change: a database, three objects, two refs, and what lies around meanwhile.

The steps behave like the real ones: they note what they need before they change anything, their undo
relies on the steps before them still standing, and publishing moves two refs one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Record

World = dict[str, str]
OBJECTS = ("object a", "object b", "object c")
REFS = ("ref", "release ref")


def first_world(name: str) -> World:
    """Everything as the release of that name left it."""
    return {"database": name, **dict.fromkeys(OBJECTS, name), **dict.fromkeys(REFS, name), "image": name}


def published(world: World, name: str) -> bool:
    """Whether either ref names that release."""
    return name in (world["ref"], world["release ref"])


class Scene:
    """The world and the moves that are made in it; `fail` is the (step, move) at which `do` fails."""

    def __init__(self, world: World, point: Callable[[], None]) -> None:
        self.world = world
        self.point = point
        self.fail: tuple[str, int] | None = None
        self.fail_undo = ""
        self.failed: Callable[[], None] = lambda: None
        self.moves: list[tuple[str, int]] = []

    def put(self, key: str, value: str | None) -> None:
        """Change one thing, between two points; a change that changes nothing is none."""
        if self.world.get(key) == value:
            return
        self.point()
        if value is None:
            del self.world[key]
        else:
            self.world[key] = value
        self.point()

    def steps(self) -> list[ModelStep]:
        return [kind(self) for kind in STEPS]


class ModelStep:
    name = ""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._moves = 0

    def plan(self, release: Release) -> Sequence[str]:
        return ()

    def do(self, release: Release, record: Record) -> str:
        self._moves = 0
        for key, value in self.changes(release, record):
            self._may_fail()
            self.scene.put(key, value)
        self._may_fail()
        return "done"

    def undo(self, release: Release, record: Record) -> None:
        if self.scene.fail_undo == self.name:
            self.scene.fail_undo = ""
            raise Failed("the undo says no")
        for key, value in self.back(release, record):
            self.scene.put(key, value)

    def is_done(self, release: Release, record: Record) -> bool:
        return False

    def settle(self, release: Release, record: Record) -> None:
        for key, value in self.left(release):
            self.scene.put(key, value)

    def changes(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        raise NotImplementedError

    def back(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        raise NotImplementedError

    def left(self, release: Release) -> Sequence[tuple[str, str | None]]:
        return ()

    def _may_fail(self) -> None:
        at = (self.name, self._moves)
        self._moves += 1
        self.scene.moves.append(at)
        if self.scene.fail == at:
            self.scene.fail = None
            self.scene.failed()
            raise Failed("the step says no")


class Validate(ModelStep):
    name = "validate"

    def changes(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("pending", release.id), ("export", release.id))

    def back(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("export", None), ("pending", None))

    def left(self, release: Release) -> Sequence[tuple[str, str | None]]:
        return (("export", None),)


class Build(ModelStep):
    name = "build"

    def changes(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("new image", release.id),)

    def back(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("new image", None),)

    def left(self, release: Release) -> Sequence[tuple[str, str | None]]:
        return (("image", release.id), ("new image", None))


class Rehearse(ModelStep):
    name = "rehearse"

    def changes(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("scratch", release.id), ("scratch", None))

    def back(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("scratch", None),)


class Backup(ModelStep):
    name = "backup"

    def changes(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("snapshot", self.scene.world["database"]),)

    def back(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("snapshot", None),)

    def left(self, release: Release) -> Sequence[tuple[str, str | None]]:
        return (("snapshot", None),)


class Migrate(ModelStep):
    name = "migrate"

    def changes(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        record.note(before=self.scene.world["database"])
        return (("database", release.id),)

    def back(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        if self.scene.world["database"] != release.id:
            return ()
        if self.scene.world.get("snapshot") != record.facts["before"]:
            raise Failed("the snapshot has gone")
        return (("database", str(record.facts["before"])),)


class Deploy(ModelStep):
    name = "deploy"

    def changes(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        record.note(
            before={name: self.scene.world[name] for name in OBJECTS}, by=record.of("migrate")["before"]
        )
        return [(name, release.id) for name in OBJECTS]

    def back(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        before = record.facts.get("before", {})
        assert isinstance(before, dict)
        return [(name, str(value)) for name, value in before.items()]


class Verify(ModelStep):
    name = "verify"

    def changes(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("probe", release.id), ("probe", None))

    def back(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        return (("probe", None),)


class Publish(ModelStep):
    name = "publish"

    def changes(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        if not record.facts:
            record.note(before=self.scene.world["ref"])
        return (("lock", release.id), ("ref", release.id), ("release ref", release.id), ("lock", None))

    def back(self, release: Release, record: Record) -> Sequence[tuple[str, str | None]]:
        assert not published(self.scene.world, release.id)
        return (("lock", None),)

    def is_done(self, release: Release, record: Record) -> bool:
        return published(self.scene.world, release.id)

    def left(self, release: Release) -> Sequence[tuple[str, str | None]]:
        return (("pending", None),)


STEPS: tuple[type[ModelStep], ...] = (Validate, Build, Rehearse, Backup, Migrate, Deploy, Verify, Publish)
