"""The output of containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.kubernetes.reading import parameters
from gitops_cli.adapters.kubernetes.streams import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.adapters.kubernetes.wire import Wire

_LINE = 16 * 1024
"""A container may print without ever ending a line."""
_MOST = 4 * 1024 * 1024
"""Of a log that is not followed."""


def logs(  # noqa: PLR0913 - what the API offers, by name
    wire: Wire,
    namespace: str,
    pod: str,
    *,
    container: str = "",
    follow: bool = False,
    tail: int | None = 20,
    previous: bool = False,
    times: bool = False,
    timeout: float = 30.0,
) -> Iterator[str]:
    """Give lines of a container's output, without line ends; not escaped, cut at 16 KiB.

    With `times` each begins with its time (RFC 3339) and a space. With `follow` until the container ends;
    `timeout` is then how long it may be silent. Raises `ApiProblem` (400 while the container waits to start),
    `AnswerLost` and `Unavailable`.
    """
    query = parameters(
        container=container,
        follow="true" if follow else "",
        tailLines="" if tail is None else str(tail),
        previous="true" if previous else "",
        timestamps="true" if times else "",
        limitBytes="" if follow else str(_MOST),
    )
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
    with Lines(wire, path, query=query, accept="*/*", silence=timeout, most=_LINE) as lines:
        for line in lines:
            yield line.decode("utf-8", "replace")
