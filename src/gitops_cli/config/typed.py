"""Typed records out of YAML, with file, line and a hint in every error; a value is never printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from gitops_cli.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitops_cli.config.yaml import Document, Path

T = TypeVar("T")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_QUOTED = re.compile(r"`([^`]*)`")
_MAX_TRIALS = 500
_Schema = dict[str, Any]


def convert(document: Document, kind: type[T], value: Any = None) -> T:
    """Make a record of a document (or of `value`, a cleaned copy of it). Raises `BadInput`."""
    value = document.value if value is None else value
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _explained(str(error), document, kind, value) from None


def bad(document: Document, cause: str, *path: str | int, code: str = "config.bad") -> BadInput:
    """Make an error with the line of a path of a document."""
    return BadInput(cause, code=code, file=document.file, line=document.line(path))


def dotted(path: Path) -> str:
    """Spell a path as people do: `spec.containers[0].image`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def nearest(word: str, words: Iterable[str]) -> str:
    """Say `; did you mean `x`?`, or nothing when nothing is near."""
    found = likely(word, words)
    return f"; did you mean `{found}`?" if found else ""


def likely(word: str, words: Iterable[str]) -> str:
    """Give the one of several words that is nearest to another, or nothing when none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - for messages only: hooks read manifests in 50 ms

    found = get_close_matches(word, [known for known in words if known != word], n=1)
    return found[0] if found else ""


def without_nulls(value: Any) -> Any:
    """Drop keys whose value is null: Kubernetes reads `replicas:` with nothing behind it as absent."""
    if isinstance(value, dict):
        return {key: without_nulls(child) for key, child in value.items() if child is not None}
    if isinstance(value, list):
        return [without_nulls(child) for child in value]
    return value


def _explained(message: str, document: Document, kind: type[Any], value: Any) -> BadInput:
    """Put msgspec's message into a sentence: ``Expected `int`, got `str` - at `$.spec.replicas` ``."""
    reason, _, where = message.partition(" - at ")
    in_key = where.startswith("`key` in ")
    path = _located(where.removeprefix("`key` in ").strip("`"), kind, value)
    schema = _schema_at(kind, path)
    if in_key:
        return _bad_key(document, value, schema, path)
    name = dotted(path) or "the file"
    quoted = _QUOTED.findall(reason)
    if "unknown field" in reason:
        near = nearest(quoted[0], schema.get("properties", ()))
        cause = f"`{dotted((*path, quoted[0]))}` is not known here{near}"
        path = (*path, quoted[0])
    elif "missing required field" in reason:
        at = _at(value, path)
        cause = f"`{dotted((*path, quoted[0]))}` is missing"
        written = likely(quoted[0], [str(key) for key in at] if isinstance(at, dict) else [])
        if written:
            cause, path = f"{cause}; you wrote `{written}`", (*path, written)
    elif "Invalid enum value" in reason or "Invalid value" in reason:
        allowed = ", ".join(f"`{choice}`" for choice in _choices(schema))
        allowed += " or a mapping" if allowed and "properties" in schema else ""
        cause = (
            f"`{name}` must be one of {allowed}" if allowed else f"`{name}` has a value that is not allowed"
        )
    else:
        cause = f"`{name}` must be {_wanted(reason, quoted, schema)}"
    return bad(document, cause, *path, code="config.type")


def _wanted(reason: str, quoted: list[str], schema: _Schema) -> str:
    """Say what a value must be."""
    if "matching regex" in reason:
        return str(schema.get("description") or f"text that matches {schema.get('pattern', 'the pattern')}")
    words = {
        "str": "text",
        "int": "a whole number",
        "array": "a list",
        "object": "a mapping",
        "bool": "true or false",
    }
    words |= {"float": "a number", "null": "empty"}
    if not quoted:
        return "something else"
    spell = [
        " or ".join(words.get(part.strip(), part.strip()) for part in kind.split("|")) for kind in quoted
    ]
    found = f", not {spell[1]}" if len(spell) > 1 else reason.partition("`" + quoted[0] + "`")[2].rstrip()
    quotable = quoted[0].startswith("str") and quoted[1:2] in (["int"], ["float"], ["bool"])
    hint = "; put it in quotes" if quotable else ""
    return f"{spell[0]}{found}{hint}"


def _bad_key(document: Document, value: Any, schema: _Schema, path: Path) -> BadInput:
    """Find which key does not fit: msgspec names only the mapping."""
    rule = _resolved(schema.get("propertyNames", {}), schema)
    pattern = re.compile(rule.get("pattern", ""))
    key = next((key for key in _at(value, path) or () if not pattern.search(str(key))), "")
    wanted = rule.get("description") or "another name"
    cause = f"the name `{str(key)[:80]}` in `{dotted(path)}` must be {wanted}"
    return bad(document, cause, *path, key, code="config.name")


def _at(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _located(where: str, kind: type[Any], value: Any) -> Path:
    """Turn `$.services[...].dockerfile` into a path; `[...]` stands for a key that msgspec does not name."""
    path: list[str | int] = []
    for name, index in _STEP.findall(where.removeprefix("$")):
        if name:
            path.append(name)
        elif index != "...":
            path.append(int(index))
        else:
            path.append(_guilty(kind, value, tuple(path), where))
    return tuple(path)


def _guilty(kind: type[Any], value: Any, path: Path, where: str) -> str | int:
    """Find the key whose value makes the error: the one that still makes it when it is alone."""
    inside = _at(value, path)
    keys = list(inside)[:_MAX_TRIALS] if isinstance(inside, dict) else []
    for key in keys:
        try:
            msgspec.convert(_replaced(value, path, {key: inside[key]}), kind)
        except msgspec.ValidationError as error:
            if where in str(error):
                return str(key)
    return str(keys[0]) if keys else 0


def _replaced(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    head, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[head] = _replaced(value[head], tuple(rest), new)  # type: ignore[index] # a key of a dict, an index of a list
    return copy


def _schema_at(kind: type[Any], path: Path) -> _Schema:
    """Walk the JSON Schema of a type along a path; made only for a message."""
    root = msgspec.json.schema(kind)
    schema = _resolved(root, root)
    for part in path:
        inner = schema.get("items") if isinstance(part, int) else None
        inner = inner or schema.get("properties", {}).get(part) or schema.get("additionalProperties")
        if not isinstance(inner, dict):
            return {}
        schema = _resolved(inner, root)
    return {**schema, "$defs": root.get("$defs", {})}


def _resolved(schema: _Schema, root: _Schema) -> _Schema:
    """Follow `$ref`; of alternatives take the one with fields."""
    if "$ref" in schema:
        return _resolved(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    options = [_resolved(option, root) for option in schema.get("anyOf", ())]
    fields = [option for option in options if "properties" in option or "items" in option]
    merged = {"enum": [choice for option in options for choice in option.get("enum", ())]} if options else {}
    return {**schema, **merged, **(fields[0] if fields else {})}


def _choices(schema: _Schema) -> list[str]:
    return [str(choice) for choice in schema.get("enum", ())]
