"""Which revisions run, in which order, with whose text; and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Direction = Literal["up", "down"]


class Move(msgspec.Struct, frozen=True):
    """One revision, up or down, with the text of one tree (`new`: the pushed one, `old`: the live one)."""

    tree: str
    direction: Direction
    revision: str
    file: str
    oid: str

    @property
    def back(self) -> Move:
        """The same revision the other way."""
        return msgspec.structs.replace(self, direction="down" if self.direction == "up" else "up")


class Change(msgspec.Struct, frozen=True):
    """From the revision that the database is at to the one that the tree names: downs first, then ups."""

    moves: tuple[Move, ...]
    before: tuple[str, ...]
    """What `alembic_version` says now; empty: nothing."""
    after: tuple[str, ...]

    @property
    def back(self) -> Change:
        """The way back."""
        return Change(tuple(move.back for move in reversed(self.moves)), self.after, self.before)

    @property
    def goes_down(self) -> bool:
        """Whether any of it is a downgrade."""
        return any(move.direction == "down" for move in self.moves)

    def legs(self) -> Iterator[tuple[str, list[Move]]]:
        """Give the moves grouped by tree, in order."""
        leg: list[Move] = []
        for move in self.moves:
            if leg and move.tree != leg[0].tree:
                yield leg[0].tree, leg
                leg = []
            leg.append(move)
        if leg:
            yield leg[0].tree, leg

    def title(self) -> str:
        """Count it for people: `2 migrations up`, `1 migration down`."""
        parts = []
        for direction in ("down", "up"):
            count = sum(move.direction == direction for move in self.moves)
            if count:
                parts.append(f"{count} migration{'s'[: count != 1]} {direction}")
        return ", ".join(parts) or "nothing to migrate"
