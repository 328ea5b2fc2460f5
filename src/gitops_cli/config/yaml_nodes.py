"""Values out of YAML nodes, with the rules of Kubernetes' own reader where PyYAML's differ.

Of PyYAML's implicit types we keep `no`/`on` and octal numbers, and drop dates and base-60 numbers
(`12:30:45` would be 45045); `1e3` is a float. A key stands once, and is a string. What JSON cannot hold
(infinity, numbers above 64 bits) is refused, since everything ends up as JSON.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from yaml import CSafeLoader, MappingNode, ScalarNode, SequenceNode

from gitops_cli.config.yaml_guard import CORE
from gitops_cli.errors import BadInput

if TYPE_CHECKING:
    from yaml import Node

_BOOLS = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}
_BOOL = re.compile(r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$")
_INT = re.compile(r"^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_NUMBERS = frozenset("-+.0123456789")
_BOOL_STARTS = frozenset("yYnNtTfFoO")
_LARGEST = 2**64


def _tag_of(value: str) -> str:
    """Tell the type of a plain scalar."""
    first = value[:1]
    if first in _NUMBERS:
        return "int" if _INT.match(value) else "float" if _FLOAT.match(value) else "str"
    if first in _BOOL_STARTS and _BOOL.match(value):
        return "bool"
    if value in _NULLS:
        return "null"
    return "merge" if value == "<<" else "str"


class Loader(CSafeLoader):
    """libyaml's parser and composer with our implicit types. Only nodes are taken from it."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        """Tell a node's tag where none is written; PyYAML's own tables cost twice the parsing."""
        if kind is ScalarNode:
            return CORE + (_tag_of(value or "") if implicit[0] else "str")
        return f"{CORE}seq" if kind is SequenceNode else f"{CORE}map"


class Builder:
    """Values out of the nodes of one file. Raises `BadInput` with the line."""

    def __init__(self, file: str) -> None:
        """`file` stands in the messages."""
        self.file = file

    def value(self, node: Node) -> Any:
        """Build the value of a node; recursion is bounded by the depth that the guard allows."""
        if isinstance(node, MappingNode):
            self.expect(node, "map")
            return {key: self.value(child) for key, (_, child) in self.pairs(node).items()}
        if isinstance(node, SequenceNode):
            self.expect(node, "seq")
            return [self.value(child) for child in node.value]
        return self.scalar(node)

    def pairs(self, node: MappingNode) -> dict[str, tuple[Node, Node]]:
        """Give key node and value node of each key; merged ones first, and own ones over them."""
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for key, child in node.value:
            if isinstance(key, ScalarNode) and key.tag == f"{CORE}merge":
                if merged:
                    self.refuse(key, "the key `<<` stands twice", "yaml.duplicate")
                merged = self.merged(child)
                continue
            name = self.key(key)
            if name in own:
                first = own[name][0].start_mark.line + 1
                self.refuse(
                    key, f"the key `{name}` stands twice; the first is in line {first}", "yaml.duplicate"
                )
            own[name] = (key, child)
        return {**merged, **own} if merged else own

    def merged(self, node: Node) -> dict[str, tuple[Node, Node]]:
        """Give the pairs that `<<:` brings in; an earlier mapping of a list wins, as YAML says."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        pairs: dict[str, tuple[Node, Node]] = {}
        for source in reversed(sources):
            if not isinstance(source, MappingNode):
                self.refuse(source, "`<<` merges mappings only", "yaml.merge")
            pairs.update(self.pairs(source))
        return pairs

    def key(self, node: Node) -> str:
        """Give a key. Kubernetes and we know strings only."""
        if not isinstance(node, ScalarNode):
            self.refuse(node, "a key is a list or a mapping; keys are plain words", "yaml.key")
        value = self.scalar(node)
        if not isinstance(value, str):
            self.refuse(node, f"the key `{node.value[:40]}` is no string; put it in quotes", "yaml.key")
        return value

    def scalar(self, node: Node) -> Any:
        """Give the value of a scalar by its tag."""
        text = str(node.value)
        name = node.tag.removeprefix(CORE)
        if name in {"str", "merge"}:
            return text
        if name == "null":
            return None
        if name == "bool" and text.lower() in _BOOLS:
            return _BOOLS[text.lower()]
        if name == "int":
            return self.integer(node, text)
        if name == "float":
            return self.number(node, text)
        return self.refuse(node, f"a value that is no {name}", "yaml.tag")

    def integer(self, node: Node, text: str) -> int:
        """Give an integer as YAML 1.1 spells it: `0644` is octal."""
        digits = text.replace("_", "").lower()
        unsigned = digits.lstrip("+-")
        base = {"0x": 16, "0b": 2}.get(unsigned[:2], 8 if unsigned[:1] == "0" and unsigned != "0" else 10)
        try:
            value = int(digits, base)
        except ValueError:
            self.refuse(node, "a value that is no integer, or too large", "yaml.number")
        if abs(value) >= _LARGEST:
            self.refuse(node, "a number of more than 64 bits; put it in quotes", "yaml.number")
        return value

    def number(self, node: Node, text: str) -> float:
        """Give a float; infinity and NaN have no place in JSON."""
        try:
            value = float(text.replace("_", ""))
        except ValueError:
            value = math.nan  # `.inf` is no Python, and no JSON either
        if not math.isfinite(value):
            self.refuse(node, "a number that JSON cannot hold; put it in quotes", "yaml.number")
        return value

    def expect(self, node: Node, name: str) -> None:
        """Refuse `!!str {a: 1}`: the tag says another thing than the text."""
        if node.tag != CORE + name:
            self.refuse(node, "the tag does not fit the value", "yaml.tag")

    def refuse(self, node: Node, cause: str, code: str) -> NoReturn:
        """Raise with the line of a node."""
        raise BadInput(cause, code=code, file=self.file, line=node.start_mark.line + 1)
