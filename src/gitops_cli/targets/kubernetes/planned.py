"""A plan: what a release will do to each object, as pre-receive leaves it for the release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.adapters.kubernetes.objects import Key
from gitops_cli.targets.kubernetes.inventory import Act, Item
from gitops_cli.targets.kubernetes.ledger import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 40
"""Lines of a plan that a pusher sees."""


class Taken(msgspec.Struct, frozen=True):
    """An object of which a release takes fields from others, as it was before."""

    key: Key
    theirs: dict[str, dict[str, Any]]
    """What each of them owned, by manager."""
    whole: dict[str, Any]
    """That together with what was ours: enough to make it again."""


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happens to one object that is not as it should be."""

    key: Key
    act: Act
    uid: str = ""
    """Of the live object, when there is one."""
    blind: str = ""
    """What of this push it waits for, so that the server could not be asked about it."""
    force: bool = False
    """The operator lets us take the fields that others own."""
    losers: tuple[str, ...] = ()
    """The managers that lose fields to us."""
    before: dict[str, Any] = {}
    """What is ours of the live object, when it is not what a set of ours names."""
    taken: Taken | None = None
    """What the losers own of the live object."""
    lines: tuple[str, ...] = ()
    """What changes, field by field."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a release will do. Objects that it does not name stay as they are."""

    commit: str
    basis: str
    """The inventory that it starts from (`Inventory.basis`)."""
    digest: str
    """Of everything that was rendered, and of where to."""
    total: int
    actions: tuple[Action, ...] = ()
    removed: tuple[Item, ...] = ()
    """Removed after publishing."""
    rows: tuple[Row, ...] = ()
    """Objects that were found as they should be, though the ledger did not know."""

    def summary(self) -> str:
        """Count it: `1 created, 2 changed, 47 unchanged, 1 removed`."""
        acts = [action.act for action in self.actions]
        told = {
            "created": acts.count("create"),
            "changed": acts.count("change"),
            "created anew": acts.count("recreate"),
            "unchanged": self.total - len(acts),
            "removed": len(self.removed),
        }
        return ", ".join(f"{count} {what}" for what, count in told.items() if count) or "nothing"

    def lines(self) -> Iterator[str]:
        """Say it, at most so many lines."""
        told = list(self._all())
        yield from told[:SHOWN]
        if len(told) > SHOWN:
            yield f"  and {len(told) - SHOWN} lines more"

    def _all(self) -> Iterator[str]:
        marks = {"create": "+", "change": "~", "recreate": "!"}
        for action in self.actions:
            note = " (deleted and created again)" if action.act == "recreate" else ""
            note += f" (not asked of the server: it waits for {action.blind})" if action.blind else ""
            yield f"  {marks[action.act]} {action.key.title()}{note}"
            yield from (f"      {line}" for line in action.lines)
        for item in self.removed:
            yield f"  - {item.key.title()}"
