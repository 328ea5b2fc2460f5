"""No silent loss: what a change would destroy is counted under lock, refused, or copied out first.

Never count after ROLLBACK TO SAVEPOINT: its locks are gone. The locks are taken first, by name, in the
transaction that then runs the migrations.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.migrations.inventory import SEQUENCE, Risk, accepted, by_table, quote
from gitops_cli.errors import LossRefused, PolicyRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitops_cli.adapters.migrations.session import Rows

SHARED, EXCLUSIVE = "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE"
_SHOWN = 10


class Counted(msgspec.Struct, frozen=True):
    """What would be lost."""

    risk: Risk
    count: int
    """Rows, values, or the number at which a sequence stands."""

    def __str__(self) -> str:
        if self.risk.why == SEQUENCE:
            return f"{self.risk.name} (a sequence, at {self.count})"
        what = "value" if self.risk.column else "row"
        return f"{self.risk.name} ({self.count} {what}{'s'[: self.count != 1]})"


def lock(ask: Callable[..., Rows], risks: Sequence[Risk], mode: str = SHARED) -> None:
    """Lock the tables at risk, in the order of their names; SHARE ROW EXCLUSIVE lets readers pass."""
    names = list(by_table(risks))
    if names:
        ask(f"LOCK TABLE {', '.join(f'ONLY {name}' for name in names)} IN {mode} MODE")


def count(ask: Callable[..., Rows], risks: Sequence[Risk]) -> list[Counted]:
    """Count rows and values that are there, one scan a table."""
    found = []
    for table, members in by_table(risks).items():
        parts = [f"count({quote(risk.column)})" if risk.column else "count(*)" for risk in members]
        row = ask(f"SELECT {', '.join(parts)} FROM {table}")[0]  # noqa: S608 - quoted names
        found += [Counted(risk, int(number)) for risk, number in zip(members, row, strict=True) if number]
    return found


def refuse(counted: Sequence[Counted], accept: Sequence[str], *, allowed: bool, down: bool) -> None:
    """Raise `LossRefused` for what is there and not accepted, naming each; else `PolicyRefused`."""
    open_ = [found for found in counted if not accepted(found.risk, accept)]
    if not allowed and counted:
        raise PolicyRefused(
            f"it would destroy {_listed(counted)}, and remote.yaml does not let a push accept that",
            code="policy.accept-loss",
        )
    if open_:
        names = " ".join(f"-o accept-loss={found.risk.name}" for found in open_[:_SHOWN])
        way = "going back would lose" if down else "it would destroy"
        raise LossRefused(
            f"{way} {_listed(open_)}", code="migration.loss", next_command=f"push again with {names}"
        )


def _listed(counted: Sequence[Counted]) -> str:
    more = f" and {len(counted) - _SHOWN} more" if len(counted) > _SHOWN else ""
    return ", ".join(map(str, counted[:_SHOWN])) + more


def folder_of(kept: Path, number: int, release: str) -> Path:
    """Name the folder for what one release drops."""
    return Path(kept, f"{number:06}-{release}")
