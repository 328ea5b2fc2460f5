"""Who changed what: the fields of a live object that are not as they were applied, each with its manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gitops_cli.targets.kubernetes.differences import differences
from gitops_cli.targets.kubernetes.owned import part_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.adapters.kubernetes.objects import Key
    from gitops_cli.targets.kubernetes.planned import Action

_MOST = 6
"""Fields that one report names."""


class Drifted(NamedTuple):
    """One object that was not as the last release left it."""

    key: Key
    what: str
    """`deleted`, or the fields with manager and time."""


def drifted(action: Action, wanted: dict[str, Any], live: dict[str, Any] | None, manager: str) -> Drifted:
    """Say what happened to an object by other hands than ours."""
    if live is None or action.act == "create":
        return Drifted(action.key, "deleted by hand")
    told = [line for entry in _others(live, manager) for line in _lines(entry, wanted, live)]
    if len(told) > _MOST:
        told[_MOST - 1 :] = [f"and {len(told) - _MOST + 1} fields more"]
    return Drifted(action.key, "; ".join(told) or _removed(action.lines))


def _others(live: dict[str, Any], manager: str) -> Sequence[dict[str, Any]]:
    """Give the entries of other managers, the newest first; controllers write the status, not our fields."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    others = [
        entry
        for entry in entries
        if not entry.get("subresource")
        and (entry.get("manager"), entry.get("operation")) != (manager, "Apply")
    ]
    return sorted(others, key=lambda entry: str(entry.get("time") or ""), reverse=True)


def _lines(entry: dict[str, Any], wanted: dict[str, Any], live: dict[str, Any]) -> list[str]:
    theirs = part_of(live, entry.get("fieldsV1") or {})
    ours = _common(wanted, theirs)
    who = f"by {entry.get('manager') or 'somebody'}" + (f" at {entry['time']}" if entry.get("time") else "")
    return [f"{line} {who}" for line in differences(ours, _common(theirs, ours))]


def _common(one: Any, other: Any) -> Any:
    """Keep of `one` what `other` has too; lists are compared as a whole."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: _common(value, other[name]) for name, value in one.items() if name in other}
    return one


def _removed(lines: Sequence[str]) -> str:
    """Nobody owns a field that was taken away."""
    shown = "; ".join(line.removesuffix(" (added)") for line in lines[:_MOST])
    return f"taken away by somebody: {shown}" if shown else "changed and changed back by hand"
