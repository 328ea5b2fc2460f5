"""YAML from a push: limits before parsing, plain values, and the line of each of them."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml
from yaml import MappingNode, SequenceNode

from gitops_cli.config.yaml_guard import check, decode, unreadable
from gitops_cli.config.yaml_nodes import Builder, Loader
from gitops_cli.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yaml import Node

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the top of a document: `("spec", "containers", 0, "image")`."""


class Document:
    """One document: its value, and where each part of it stands."""

    def __init__(self, value: Any, node: Node, file: str) -> None:
        """Keep the nodes: a line is looked up only for a message, so nothing is prepared for it."""
        self.value = value
        self.file = file
        self._node = node

    def line(self, path: Path = ()) -> int:
        """Give the line of a value (of its key, in a mapping), counted from 1.

        For a path that does not exist: the line of the deepest part that does.
        """
        builder = Builder(self.file)
        node = self._node
        found: int = node.start_mark.line + 1
        for part in path:
            if isinstance(node, MappingNode):
                pair = builder.pairs(node).get(str(part))
                if pair is None:
                    break
                found, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                found = node.start_mark.line + 1
            else:
                break
        return found


def load_all(data: bytes, file: str) -> list[Document]:
    """Read every document of a file; one that is empty has the value None.

    Raises `BadInput` or its `LimitExceeded`, with file and line; nothing else, whatever the bytes.
    """
    text = decode(data, file)
    builder = Builder(file)
    with _no_collection():
        check(text, file)
        return [Document(builder.value(node), node, file) for node in _nodes(text, file)]


def _nodes(text: str, file: str) -> Iterator[Node]:
    """Compose each document; what the composer still refuses becomes our error."""
    loader = Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield node
    except yaml.YAMLError as error:
        unreadable(error, file)
    finally:
        loader.dispose()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the cycle collector out: nodes are many, in no cycle, and it takes half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def load_one(data: bytes, file: str) -> Document:
    """Read a file that holds one document. Raises `BadInput`."""
    documents = load_all(data, file)
    if not documents or documents[0].value is None:
        raise BadInput("is empty", code="yaml.empty", file=file)
    if len(documents) > 1:
        raise BadInput("holds more than one document", code="yaml.many", file=file, line=documents[1].line())
    return documents[0]
