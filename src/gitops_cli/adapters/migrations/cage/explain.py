"""What went wrong, where in the pushed files, as plain data."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType


class Ignored(BaseException):
    """The project's env.py does not use the connection that it is handed."""


class Signalled(BaseException):
    """A migration sends signals."""


class Finished(BaseException):
    """All revisions have run; what env.py still has below is for others."""


class Smuggled(BaseException):
    """A migration ended the transaction that holds all of them."""


def explain(error: BaseException, roots: list[Path]) -> dict[str, Any]:
    """Say what went wrong; `place` is the innermost line in a pushed file, relative to its top."""
    origin = getattr(error, "orig", None) or error
    kind = {Ignored: "ignored", Signalled: "signalled", Smuggled: "smuggled"}.get(type(error), "error")
    state = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None) or ""
    frames = list(_frames(error, error.__traceback__))
    places = [
        (file.removeprefix(f"{root}/"), line)
        for file, line, _ in frames
        for root in roots
        if file.startswith(f"{root}/")
    ]
    return {
        "kind": kind,
        "type": type(origin).__name__,
        "text": _text(origin)[:500],
        "state": state,
        "place": places[-1] if places else None,
        "autocommit_block": any(name == "autocommit_block" for _, _, name in frames),
    }


def _frames(error: BaseException, trace: TracebackType | None) -> Iterator[tuple[str, int, str]]:
    if isinstance(error, SyntaxError) and error.filename:
        frames = [(frame.filename, frame.lineno or 0, frame.name) for frame in traceback.extract_tb(trace)]
        yield from [*frames, (error.filename, error.lineno or 0, "")]
        return
    for frame in traceback.extract_tb(trace):
        yield frame.filename, frame.lineno or 0, frame.name


def _text(error: BaseException) -> str:
    """Give the first line; of the database's errors the primary message, never a row's values."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    text = error.msg if isinstance(error, SyntaxError) else primary or str(error)
    return re.split(r"[\r\n]| \(Background on this error at", str(text).strip(), maxsplit=1)[0]
