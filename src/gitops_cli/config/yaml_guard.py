"""Limits and refusals of YAML, before anything is built from it.

Measured on PyYAML 6 with libyaml: `CSafeLoader` composes by recursion in C and dies with a segmentation
fault on 50,000 `[`; a merge bomb takes 10 s and 100 MB; 200,000 documents 6 s. The event parser does not
recurse (a state machine with a stack of its own) and costs 2 µs an event, so everything is counted there.
Counting aliases is not enough: 63 of them, in six levels of ten, still make a million nodes. So each alias
counts as many nodes, and as much depth, as what it names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from yaml import events
from yaml.cyaml import CParser  # type: ignore[attr-defined] # the stubs do not list it

from gitops_cli.errors import BadInput, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_ALIASES = 64
MAX_DOCUMENTS = 500
MAX_SCALAR = 256 << 10
"""Characters in one value. A ConfigMap as a whole may have 1 MiB; one value of a quarter is plenty."""

CORE = "tag:yaml.org,2002:"
_TAGS = frozenset(
    {"!", *(CORE + name for name in ("null", "bool", "int", "float", "str", "map", "seq", "merge"))}
)
# What YAML forbids, and the line breaks of YAML 1.1 that no editor shows as one: text after them would be
# read as a new line by the parser and as the same line by whoever reviews it.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_PLAIN = bytes([9, 10, 13, *range(32, 127)])
_TAB = re.compile(r"^\t", re.MULTILINE)
_LONE_CR = re.compile(r"\r(?!\n)")


def decode(data: bytes, file: str) -> str:
    """Give the text of a YAML file. Raises `BadInput` with the line, or `LimitExceeded`."""
    if len(data) > MAX_BYTES:
        raise LimitExceeded(f"larger than {MAX_BYTES} bytes ({len(data)})", code="yaml.size", file=file)
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise BadInput("is UTF-16; write it as UTF-8", code="yaml.encoding", file=file, line=1)
    if data[:3] == b"\xef\xbb\xbf":
        raise BadInput("starts with a byte order mark; save it without", code="yaml.bom", file=file, line=1)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput("is not UTF-8", code="yaml.encoding", file=file, line=line) from None
    if b"\r" in data:
        _refuse(_LONE_CR, text, file, "a line ends with a carriage return alone; use newlines")
    if data.translate(None, _PLAIN):  # 20 times quicker than the pattern, and seldom true
        _refuse(_FORBIDDEN, text, file, "holds a character that YAML does not allow")
    if b"\t" in data:
        _refuse(_TAB, text, file, "is indented with a tab; use spaces")
    return text


def _refuse(pattern: re.Pattern[str], text: str, file: str, cause: str) -> None:
    found = pattern.search(text)
    if found is None:
        return
    if found[0] not in {"\t", "\r"}:
        cause = f"{cause}: U+{ord(found[0]):04X}"
    line = text.count("\n", 0, found.start()) + 1
    raise BadInput(cause, code="yaml.character", file=file, line=line)


def unreadable(error: yaml.YAMLError, file: str) -> NoReturn:
    """Turn an error of the parser into ours."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    if "\t" in str(problem) or "that cannot start any token" in str(problem):
        problem = "a character that cannot stand here (a tab, perhaps)"
    line = mark.line + 1 if mark else 0
    if "nesting depth" in str(problem):  # libyaml 0.2.6 counts by itself, before we see the first bracket
        raise LimitExceeded(
            f"nested deeper than {MAX_DEPTH}", code="yaml.limit", file=file, line=line
        ) from None
    raise BadInput(f"is not valid YAML: {problem}", code="yaml.syntax", file=file, line=line) from None


def check(text: str, file: str) -> None:
    """Count what is in a YAML text. Raises `LimitExceeded` or `BadInput` with the line; builds nothing."""
    counter = _Counter(file)
    try:
        for event in _events(text):
            counter.take(event)
    except yaml.YAMLError as error:
        unreadable(error, file)


def _events(text: str) -> Iterator[Any]:
    parser = CParser(text)
    try:
        while not isinstance(event := parser.get_event(), events.StreamEndEvent):
            yield event
    finally:
        parser.dispose()


class _Counter:
    """Nodes, depth, aliases and documents so far; a frame for each open collection."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.nodes = 0
        self.aliases = 0
        self.documents = 0
        self.open: list[tuple[str | None, list[int]]] = []
        """Anchor, and [nodes, height] of what is inside so far."""
        self.known: dict[str, tuple[int, int]] = {}

    def take(self, event: Any) -> None:
        kind = type(event)
        if kind is events.ScalarEvent:
            if len(event.value) > MAX_SCALAR:
                self.refuse(f"a value longer than {MAX_SCALAR} characters", event)
            self.tag(event)
            self.leaf(event, 1, 0, event.anchor)
        elif kind in {events.SequenceStartEvent, events.MappingStartEvent}:
            self.tag(event)
            self.open.append((event.anchor, [1, 0]))
            self.measure(event, 0, 0)
        elif kind in {events.SequenceEndEvent, events.MappingEndEvent}:
            anchor, (nodes, height) = self.open.pop()
            self.leaf(event, nodes, height + 1, anchor)
        elif kind is events.AliasEvent:
            self.alias(event)
        elif kind is events.DocumentStartEvent:
            self.documents += 1
            self.known.clear()
            if self.documents > MAX_DOCUMENTS:
                self.refuse(f"more than {MAX_DOCUMENTS} documents", event)

    def alias(self, event: Any) -> None:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self.refuse(f"more than {MAX_ALIASES} aliases", event)
        if event.anchor not in self.known:
            raise BadInput(
                "an alias names an anchor that is not complete before it",
                code="yaml.alias",
                file=self.file,
                line=event.start_mark.line + 1,
            )
        nodes, height = self.known[event.anchor]
        self.leaf(event, nodes, height, None)

    def leaf(self, event: Any, nodes: int, height: int, anchor: str | None) -> None:
        """Add something complete to the collection that is open."""
        if anchor is not None:
            self.known[anchor] = (nodes, height)
        self.measure(event, nodes, height)
        if self.open:
            inside = self.open[-1][1]
            inside[0] += nodes
            inside[1] = max(inside[1], height)
        else:
            self.nodes += nodes

    def measure(self, event: Any, nodes: int, height: int) -> None:
        if len(self.open) + height > MAX_DEPTH:
            self.refuse(f"nested deeper than {MAX_DEPTH}", event)
        if self.nodes + nodes + (self.open[-1][1][0] if self.open else 0) > MAX_NODES:
            self.refuse(f"more than {MAX_NODES} values", event)

    def tag(self, event: Any) -> None:
        if event.tag is not None and event.tag not in _TAGS:
            raise BadInput(
                "holds a tag that is not plain YAML (such as `!!python/...`); write plain values",
                code="yaml.tag",
                file=self.file,
                line=event.start_mark.line + 1,
            )

    def refuse(self, cause: str, event: Any) -> NoReturn:
        raise LimitExceeded(cause, code="yaml.limit", file=self.file, line=event.start_mark.line + 1)
