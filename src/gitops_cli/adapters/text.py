"""The one way by which text of a push reaches a terminal, a log or a message."""

from __future__ import annotations

import unicodedata

_BIDI = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff"
)


def _shown(char: str) -> str:
    code = ord(char)
    if unicodedata.category(char) == "Cc":  # C0, DEL, C1: a terminal obeys them
        return f"\\x{code:02x}"
    if char in _BIDI:
        return f"\\u{code:04x}"
    if unicodedata.category(char) == "Cs":  # a byte that was no UTF-8 (surrogateescape)
        return f"\\x{code & 0xFF:02x}"
    return char


def safe(text: str | bytes, limit: int = 200) -> str:
    r"""Give one line without control or bidirectional characters, cut at `limit` characters.

    A commit subject with ESC reached the pusher's terminal raw through `remote:` (CVE-2024-52005); a
    carriage return overwrites the line before.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    cut = text[: limit + 1]
    shown = "".join(map(_shown, cut))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
