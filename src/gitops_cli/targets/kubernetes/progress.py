"""Lines for the pusher while a rollout goes on: what changed, one line a second at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.targets.kubernetes.pods import ready
from gitops_cli.targets.kubernetes.verdicts import why_waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.targets.kubernetes.looking import Stand

PAUSE = 1.0
MOST = 5
"""Objects that one line names."""


class Progress:
    """Tells a watcher what is still waited for, when it has changed."""

    def __init__(self, watch: Watcher) -> None:
        """Tell nothing yet."""
        self._watch = watch
        self._told: dict[str, str] = {}
        self._at = 0.0

    def tell(self, pending: Sequence[Stand], now: float) -> None:
        """Tell what changed since the last line, unless that was just now."""
        if self._told and now - self._at < PAUSE:
            return
        lines = {stand.rendered.key.title(): describe(stand) for stand in pending}
        news = [line for title, line in lines.items() if self._told.get(title) != line]
        if news:
            more = f"; {len(news) - MOST} more" if len(news) > MOST else ""
            self._watch.says("; ".join(news[:MOST]) + more)
            self._told, self._at = lines, now


def describe(stand: Stand) -> str:
    """Say what it waits for: `web: 1 of 2 pods ready (ContainerCreating)`."""
    if stand.rendered.key.kind in ("Job", "Pod") or not stand.is_workload or stand.body is None:
        return f"{stand.name}: {stand.verdict.reason}"
    spec, status = stand.body.get("spec") or {}, stand.body.get("status") or {}
    wanted = spec.get("replicas", status.get("desiredNumberScheduled", 1))
    count = sum(map(ready, stand.pods))
    why = next((why for pod in stand.pods if not ready(pod) and (why := why_waiting(pod))), "")
    if count == wanted and not why:
        return f"{stand.name}: {stand.verdict.reason}"
    return f"{stand.name}: {count} of {wanted} pods ready" + (f" ({why})" if why else "")
