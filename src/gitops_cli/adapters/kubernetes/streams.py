"""Answers that go on: read line by line, ended from anywhere."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

from gitops_cli.adapters.kubernetes.problems import AnswerLost

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from gitops_cli.adapters.kubernetes.wire import Wire


class Lines:
    """The lines of one answer, without line ends."""

    def __init__(  # noqa: PLR0913 - the parts of a request, by name
        self,
        wire: Wire,
        path: str,
        *,
        query: Sequence[tuple[str, str]],
        accept: str = "application/json",
        silence: float,
        most: int,
        stop: threading.Event | None = None,
    ) -> None:
        """Ask for it. `silence` is how long nothing may come; a line longer than `most` bytes is cut.

        `stop` ends the asking, if it is tried again and again; `close` ends what has begun.
        """
        self._wire = wire
        self._most = most
        self._closed = False
        self._answer = wire.open(path, query=query, accept=accept, silence=silence, stop=stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """Give lines until the server or `close` ends it. Raises `AnswerLost` when the connection breaks."""
        rest = b""
        for chunk in self._chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line[: self._most] for line in whole)
            rest = rest[: self._most]
        if rest:
            yield rest

    def _chunks(self) -> Iterator[bytes]:
        try:
            with self._wire.told():
                yield from self._answer.stream(1 << 16)
        except (AnswerLost, ValueError, AttributeError):  # the last two: closed by another thread meanwhile
            if not self._closed:
                raise

    def close(self) -> None:
        """End it, also while another thread reads."""
        self._closed = True
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # it has ended already
            self._answer.shutdown()
        self._answer.close()
