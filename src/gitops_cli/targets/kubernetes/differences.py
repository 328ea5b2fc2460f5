"""What differs between two objects, field by field, as a person reads it. No secret value is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli.targets.kubernetes.rendering import HASH

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 12
"""Lines for one object."""
_SHOWN = 60
_HIDDEN = "(not shown)"
_NAMES = ("name", "containerPort", "port", "mountPath", "key", "ip")
_SECRET = re.compile(r"^(data|stringData)(\.|$)")
_VARIABLE = re.compile(r"\.env\[[^\]]*\]\.value$")
_ABSENT = object()


def differences(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Say what changes, a line each, from one object to the other: `spec.replicas: 1 -> 2`."""
    secret = after.get("kind") == "Secret"
    told = [_line(path, old, new, secret=secret) for path, old, new in _walk("", before, after)]
    if len(told) > MOST:
        told[MOST - 1 :] = [f"and {len(told) - MOST + 1} fields more"]
    return tuple(told)


def _walk(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            if name != HASH:
                below = f"{path}.{name}" if path else str(name)
                yield from _walk(below, old.get(name, _ABSENT), new.get(name, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        was, now = _named(old), _named(new)
        for name in dict.fromkeys([*was, *now]):
            yield from _walk(f"{path}[{name}]", was.get(name, _ABSENT), now.get(name, _ABSENT))
    elif old is _ABSENT or new is _ABSENT or old != new:
        yield path, old, new


def _named(items: list[Any]) -> dict[str, Any]:
    """Index a list by what names its members, as containers have a name; else by place."""
    for field in _NAMES:
        names = [str(item[field]) for item in items if isinstance(item, dict) and field in item]
        if items and len(names) == len(items) == len(set(names)):
            return dict(zip(names, items, strict=True))
    return {str(place): item for place, item in enumerate(items)}


def _line(path: str, old: Any, new: Any, *, secret: bool) -> str:
    if (secret and _SECRET.match(path)) or _VARIABLE.search(path):
        old, new = (value if value is _ABSENT else _HIDDEN for value in (old, new))
        if _ABSENT not in (old, new):
            return f"{path}: changed {_HIDDEN}"
    if old is _ABSENT:
        return f"{path}: {_shown(new)} (added)"
    if new is _ABSENT:
        return f"{path}: {_shown(old)} (removed)"
    return f"{path}: {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    if value == _HIDDEN:
        return _HIDDEN
    text = msgspec.json.encode(_redacted(value)).decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _redacted(value: Any) -> Any:
    """Hide the values of variables in a part that comes or goes as a whole."""
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    if isinstance(value, dict):
        hidden = {"value"} if set(value) == {"name", "value"} else set()
        return {name: _HIDDEN if name in hidden else _redacted(inner) for name, inner in value.items()}
    return value
