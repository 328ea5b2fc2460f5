"""A session with gitops's limits, as an app has it: names without a schema are found in `public` too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.postgres import connect as ours

if TYPE_CHECKING:
    import psycopg


def connect(url: str, **limits: Any) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect, and take the path back that every session of ours leaves behind. Raises `Unavailable`."""
    connection = ours.connect(url, **limits)
    connection.execute('SET search_path = "$user", public')
    connection.commit()
    return connection
