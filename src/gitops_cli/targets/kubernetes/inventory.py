"""What should be in the cluster, on our disk, before anything is sent: at most two sets of objects.

A set names its objects and what its release does to each, so that whoever finds a dead release knows what
to put back and what to remove. The objects themselves lie beside it (`state.State.bodies`).
"""

from __future__ import annotations

import secrets
from typing import Literal

import msgspec

from gitops_cli.adapters.kubernetes.objects import Key

VERSION = 1
Act = Literal["", "create", "change", "recreate"]


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object of a set."""

    key: Key
    api_version: str
    hash: str
    """Of the object as it was rendered."""
    act: Act = ""
    """What the set's own release does to it; empty: it is as the release before left it."""
    uid: str = ""
    """Of the object that was there before the release, if one was."""


class SetSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that one release wants."""

    key: str
    """Unique for ever: a release that is tried again gets another."""
    release: int
    commit: str
    tree: str
    project: str = ""
    objects: tuple[Item, ...] = ()
    urls: dict[str, str] = {}

    @property
    def keys(self) -> frozenset[Key]:
        """Name its objects."""
        return frozenset(item.key for item in self.objects)

    @property
    def touched(self) -> tuple[Item, ...]:
        """What its release sends."""
        return tuple(item for item in self.objects if item.act)


class Inventory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The serving set; one that is on its way, or that was replaced; objects that are still to be removed."""

    version: int = VERSION
    serving: SetSpec | None = None
    candidate: SetSpec | None = None
    parked: SetSpec | None = None
    leftover: tuple[Item, ...] = ()
    """Of older sets: nobody wants them, and they could not be removed yet."""

    @property
    def sets(self) -> tuple[SetSpec, ...]:
        """All sets."""
        return tuple(s for s in (self.serving, self.candidate, self.parked) if s is not None)

    @property
    def basis(self) -> str:
        """Name the state that a plan starts from: a plan for another state is worth nothing."""
        named = [s.key if s else "" for s in (self.serving, self.candidate, self.parked)]
        return "/".join([*named, str(len(self.leftover))])

    @property
    def doomed(self) -> tuple[Item, ...]:
        """What is to be removed: everything of older sets that the serving one does not name."""
        wanted = self.serving.keys if self.serving else frozenset()
        parked = self.parked.objects if self.parked else ()
        found = {item.key: item for item in (*self.leftover, *parked) if item.key not in wanted}
        return tuple(found.values())

    @property
    def abandoned(self) -> Inventory:
        """Give it without a candidate: whoever sent that one died, and no journal tells of it (a heal).

        Its objects are remembered, so that what nobody wants of them goes with the next prune.
        """
        if self.candidate is None:
            return self
        dead = {item.key: item for item in (*self.candidate.objects, *self.leftover)}
        return Inventory(serving=self.serving, parked=self.parked, leftover=tuple(dead.values()))

    def find(self, key: str) -> SetSpec | None:
        """Give the set with this key."""
        return next((s for s in self.sets if s.key == key), None)


def new_key(release: int) -> str:
    """Name a set, for ever its own."""
    return f"{release}-{secrets.token_hex(4)}"
