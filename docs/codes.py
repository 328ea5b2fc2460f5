"""Finds every error code in the source, with the classes that carry it and what they say. Runs nothing of it.

Most errors are made where they are raised: `raise BadInput("...", code="x.y")`. Others by way of a function
with a parameter `code`: there the callers give the code, and often the cause.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitops_cli import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.GitopsError)
}
RECORDS = {"Problem": "Refused", "_Meaning": "Failed"}
"""Records that carry a code to the place where it is raised, and as what: cause first, then `code`."""
ANYWHERE = -1
UNKNOWN = "…"
"""Stands for a value that only a run would give."""
_CODE = re.compile(r"[a-z]+(\.[a-z]+(-[a-z]+)*)?")
_FILES = (".yaml", ".py", ".git", ".json", ".toml", ".txt", ".ini", ".lock")


@dataclass
class Code:
    """What the source says of one code."""

    kinds: set[str] = field(default_factory=set)
    says: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Place:
    """A call of `name` in a module, inside a function or outside of any."""

    module: int
    name: str
    call: ast.Call
    inside: ast.FunctionDef | None


class Finder:
    """Follows codes from where they are written to the class that carries them."""

    def __init__(self, modules: list[ast.Module]) -> None:
        """Look at every call once."""
        self.found: dict[str, Code] = defaultdict(Code)
        self._places = [place for at, module in enumerate(modules) for place in _places(at, module, None)]
        self._carriers: dict[tuple[int, str], ast.FunctionDef] = {}
        for at, module in enumerate(modules):
            for node in ast.walk(module):
                if isinstance(node, ast.FunctionDef) and "code" in _names(node) and node.name != "__init__":
                    self._carriers[at, node.name] = self._carriers[ANYWHERE, node.name] = node
        for place in self._places:
            if not self._is_passed_on(place):
                self._follow(place, {})

    def _carrier(self, place: Place) -> ast.FunctionDef | None:
        """Give the function that is called, of the same module first."""
        of_any = self._carriers.get((ANYWHERE, place.name))
        return self._carriers.get((place.module, place.name), of_any)

    def _is_passed_on(self, place: Place) -> bool:
        """Say whether the code is the one that the function around was given."""
        if place.inside is None or self._carriers.get((place.module, place.inside.name)) is not place.inside:
            return False
        value = self._arguments(place).get("code")
        return value is not None and "code" in {
            one.id for one in ast.walk(value) if isinstance(one, ast.Name)
        }

    def _arguments(self, place: Place) -> dict[str, ast.expr]:
        """Give what each parameter gets; of a class only its cause and its code matter."""
        function = self._carrier(place)
        names = [name for name in _names(function) if name != "self"] if function else ["cause"]
        given = dict(zip(names, place.call.args, strict=False))
        defaults = function.args.kw_defaults if function else []
        named = function.args.kwonlyargs if function else []
        standard = {one.arg: value for one, value in zip(named, defaults, strict=True) if value is not None}
        return {**standard, **given, **{one.arg: one.value for one in place.call.keywords if one.arg}}

    def _follow(self, place: Place, known: Mapping[str, str]) -> None:
        """Note a class, or go on into a function; `known`: what the parameters around it are."""
        given = {name: _texts(value, known, place) for name, value in self._arguments(place).items()}
        kind = RECORDS.get(place.name, place.name)
        if kind in KINDS:
            for code in filter(_CODE.fullmatch, given.get("code", ())):
                self._note(code, kind, given.get("cause", []))
            return
        function = self._carrier(place)
        inner = [
            one for one in self._places if function and one.inside is function and self._is_passed_on(one)
        ]
        for code in given.get("code", ()):
            for one in inner:
                self._follow(one, {**{name: texts[0] for name, texts in given.items()}, "code": code})

    def _note(self, code: str, kind: str, says: list[str]) -> None:
        self.found[code].kinds.add(kind)
        self.found[code].says |= {text for text in says if text.strip(UNKNOWN + " :;()")}


def error_codes(source: Path) -> dict[str, Code]:
    """Give every code below a folder of modules, and of each class its own."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(source.rglob("*.py"))]
    modules = [ast.parse(text) for text in texts]
    finder = Finder(modules)
    for name, kind in KINDS.items():
        finder.found[kind.default_code].kinds.add(name)
    found, raised = dict(finder.found), dict(finder.found)
    for module in modules:
        for code in _in_tables(module, set(found)):
            beside = [
                raised[text].kinds for text in _strings(module) & set(raised) if _word(text) == _word(code)
            ]
            found[code] = Code(kinds=set.union(*beside))
    return found


def _strings(module: ast.Module) -> set[str]:
    return {
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _word(code: str) -> str:
    return code.partition(".")[0]


def _places(module: int, node: ast.AST, inside: ast.FunctionDef | None) -> Iterator[Place]:
    for child in ast.iter_child_nodes(node):
        yield from _places(module, child, child if isinstance(child, ast.FunctionDef) else inside)
        if isinstance(child, ast.Call):
            function = child.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            yield Place(module, name, child, inside)


def _names(function: ast.FunctionDef) -> list[str]:
    return [one.arg for one in (*function.args.args, *function.args.kwonlyargs)]


def _texts(value: ast.expr, known: Mapping[str, str], place: Place) -> list[str]:
    """Give what an expression may come to."""
    if isinstance(value, ast.Constant):
        return [value.value if isinstance(value.value, str) else UNKNOWN]
    if isinstance(value, ast.IfExp):
        return _texts(value.body, known, place) + _texts(value.orelse, known, place)
    if isinstance(value, ast.JoinedStr):
        parts = [_texts(part, known, place)[0] for part in value.values]
        return ["".join(parts)]
    if isinstance(value, ast.FormattedValue):
        return _texts(value.value, known, place)
    if isinstance(value, ast.Name):
        assigned = _assigned(value, place)
        return (
            [known[value.id]]
            if value.id in known
            else _texts(assigned, known, place)
            if assigned
            else [UNKNOWN]
        )
    return [UNKNOWN]


def _assigned(name: ast.Name, place: Place) -> ast.expr | None:
    """Give what a local name was set to last before the call."""
    found = [
        node
        for node in (ast.walk(place.inside) if place.inside else ())
        if isinstance(node, ast.Assign)
        and node.lineno < name.lineno
        and any(isinstance(target, ast.Name) and target.id == name.id for target in node.targets)
    ]
    return max(found, key=lambda node: node.lineno).value if found else None


def _in_tables(module: ast.Module, known: set[str]) -> Iterator[str]:
    """Give the codes that stand in a table of a module which raises others with the same first word."""
    texts = _strings(module)
    words = {_word(text) for text in texts & known if "." in text}
    for text in sorted(texts - known):
        if "." in text and _CODE.fullmatch(text) and _word(text) in words and not text.endswith(_FILES):
            yield text
