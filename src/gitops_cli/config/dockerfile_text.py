"""The text of a Dockerfile: instructions with their lines, words, variables. Rules of BuildKit's parser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.errors import BadInput, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES = 64 << 10
MAX_INSTRUCTIONS = 500
MAX_WORD = 32 << 10
"""Characters of one expanded value: `ENV A=$A$A` doubles at each line."""

_DIRECTIVE = re.compile(r"^#\s*(escape|syntax)\s*=\s*(\S+)\s*$", re.IGNORECASE)
_HEREDOC = re.compile(r"(?<![<$\d])<<-?[\"']?[A-Za-z_]")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+])([^{}]*))?\})")
_PIECE = re.compile(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|\\(.)|([^'\"\\\s]+)|(['\"\\])|(\s+)", re.DOTALL)
_ESCAPED = re.compile(r"\\([\"\\$])")
_MARK = "\0"
"""Stands for a dollar that is text; the file itself holds no NUL."""


class Instruction(msgspec.Struct, frozen=True):
    """One instruction: its word in capitals, the rest with continuations joined, its first line."""

    word: str
    text: str
    line: int


def instructions(data: bytes, file: str) -> list[Instruction]:
    """Cut a Dockerfile into its instructions. Raises `BadInput` or `LimitExceeded`."""
    if len(data) > MAX_BYTES:
        raise LimitExceeded(f"larger than {MAX_BYTES} bytes", code="dockerfile.size", file=file)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput("is not UTF-8", code="dockerfile.encoding", file=file, line=line) from None
    if "\0" in text or text.startswith("\ufeff"):
        raise BadInput("is no plain text", code="dockerfile.encoding", file=file, line=1)
    found = [_instruction(joined, line, file) for joined, line in _joined(text, file) if joined]
    if len(found) > MAX_INSTRUCTIONS:
        raise LimitExceeded(f"more than {MAX_INSTRUCTIONS} instructions", code="dockerfile.limit", file=file)
    return found


def _joined(text: str, file: str) -> Iterator[tuple[str, int]]:
    """Join lines that end with a backslash; comments and empty lines in between are dropped."""
    parts: list[str] = []
    begun = 0
    only_comments = True
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        stripped = line.strip()
        if only_comments and (directive := _DIRECTIVE.match(stripped)):
            _refuse_directive(directive[1].lower(), directive[2], file, number)
        if not stripped or stripped.startswith("#"):
            continue
        only_comments = False
        begun = begun or number
        body = line.rstrip()
        if body.endswith("\\"):
            parts.append(body[:-1])
            continue
        yield "".join([*parts, line]).strip(), begun
        parts, begun = [], 0
    if parts:
        yield "".join(parts).strip(), begun


def _refuse_directive(name: str, value: str, file: str, line: int) -> None:
    if name == "escape" and value != "\\":
        raise BadInput(
            "`# escape=` is not read; use backslashes", code="dockerfile.escape", file=file, line=line
        )
    if name == "syntax" and not re.match(r"(docker\.io/)?docker/dockerfile(:|@|$)", value):
        raise BadInput(
            "`# syntax=` names a foreign build program; use docker/dockerfile:1 or leave it out",
            code="dockerfile.syntax",
            file=file,
            line=line,
        )


def _instruction(text: str, line: int, file: str) -> Instruction:
    word, rest = [*text.split(None, 1), ""][:2]
    if not re.fullmatch(r"[A-Za-z]{1,20}", word):
        raise BadInput(f"`{word[:40]}` is no instruction", code="dockerfile.word", file=file, line=line)
    if word.upper() in {"RUN", "COPY", "ADD"} and _HEREDOC.search(rest):
        cause = "here-documents (`<<EOF`) are not read; put the lines into a script in the repository"
        raise BadInput(cause, code="dockerfile.heredoc", file=file, line=line)
    return Instruction(word.upper(), rest.strip(), line)


def expand(text: str, variables: Mapping[str, str], *, keep_unknown: bool = False) -> str:
    """Put variables in: `$A`, `${A}`, `${A:-default}`, `${A:+other}`; an unknown one is empty, or kept.

    Raises `ValueError` if it grows too long.
    """

    def one(found: re.Match[str]) -> str:
        value = variables.get(found[1] or found[2])
        if keep_unknown and value is None:
            return found[0]
        way, other = found[3] or "", found[4] or ""
        there = bool(value) if way.startswith(":") else value is not None
        if way.endswith("+"):
            return other if there else ""
        return value if there and value is not None else (other if way else "")

    pieces: list[str] = []
    length = end = 0
    for found in _VARIABLE.finditer(text):
        piece = text[end : found.start()] + one(found)
        length += len(piece)
        if length > MAX_WORD:
            raise ValueError
        pieces.append(piece)
        end = found.end()
    return "".join([*pieces, text[end:]])


def words(text: str, variables: Mapping[str, str]) -> list[str]:
    """Split into words as Docker does: quotes, backslashes, variables (none in single quotes).

    Raises `ValueError` for a quote that is not closed or a value that grows too long.
    """
    found: list[str] = []
    current: str | None = None
    for single, double, escaped, plain, stray, space in _PIECE.findall(text):
        if stray in {"'", '"'}:
            raise ValueError
        if space:
            if current is not None:
                found.append(current)
            current = None
            continue
        piece = single.replace("$", _MARK) if single else escaped.replace("$", _MARK) or plain
        if double:
            piece = _ESCAPED.sub(lambda match: match[1].replace("$", _MARK), double)
        current = (current or "") + piece
    if current is not None:
        found.append(current)
    return [expand(word, variables).replace(_MARK, "$") for word in found]
