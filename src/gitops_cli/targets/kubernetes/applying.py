"""Sending a plan, stage by stage: only what is not as it should be, many in flight.

Killed anywhere: the inventory names the set and what is done to each object, so `undoing` puts back what
came through, whether its answer was heard or not. The ledger is written after each stage; a row that is
lost costs one dry run.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from gitops_cli.adapters import clock
from gitops_cli.adapters.kubernetes.client import seen_of
from gitops_cli.errors import Failed, GitopsError, StepTimeout
from gitops_cli.targets.kubernetes.ledger import row_of
from gitops_cli.targets.kubernetes.recreate import recreate
from gitops_cli.targets.kubernetes.stages import CRD, SERVES, stage_of, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitops_cli.adapters.kubernetes.objects import Key, Kind
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.ledger import Ledger, Row
    from gitops_cli.targets.kubernetes.planned import Action
    from gitops_cli.targets.kubernetes.rendering import Rendered

SERVED_SECONDS = 30.0
"""Until the server serves a kind that was just defined."""
PAUSE = 0.1
_NAMED = 5


def send(  # noqa: PLR0913 - one plan's parts
    cluster: Cluster,
    actions: Sequence[Action],
    wanted: Mapping[Key, Rendered],
    known: Sequence[Row],
    watch: Watcher,
    *,
    first: Callable[[], None],
) -> None:
    """Send every action; `first` is called between what pods need and what makes pods, or leads to them.

    Raises `Failed` naming what the server refused; the stages after it are not sent.
    """
    ledger = cluster.state.ledger()
    ledger.add(known)
    stages = list(staged(actions, lambda action: action.key))
    needed = [stage for stage in stages if stage_of(stage[0].key) < SERVES]
    _send_stages(cluster, needed, wanted, ledger, watch)
    first()
    _send_stages(cluster, stages[len(needed) :], wanted, ledger, watch)
    if not actions and known:
        cluster.state.save_ledger(ledger)


def _send_stages(
    cluster: Cluster,
    stages: Iterable[Sequence[Action]],
    wanted: Mapping[Key, Rendered],
    ledger: Ledger,
    watch: Watcher,
) -> None:
    for stage in stages:
        watch.says(_title(stage))
        answers = cluster.client.together(
            [partial(_send_one, cluster, action, wanted[action.key]) for action in stage]
        )
        pairs = list(zip(stage, answers, strict=True))
        ledger.add(
            row_of(seen_of(answer), wanted[action.key].hash, cluster.at.field_manager)
            for action, answer in pairs
            if isinstance(answer, dict)
        )
        cluster.state.save_ledger(ledger)
        _raise_failures([(action, answer) for action, answer in pairs if isinstance(answer, GitopsError)])
        for action in stage:
            if (action.key.group, action.key.kind) == CRD:
                wait_established(cluster, wanted[action.key])


def _send_one(cluster: Cluster, action: Action, one: Rendered) -> dict[str, Any]:
    kind = kind_of(cluster, one)
    if action.act == "recreate":
        return recreate(cluster, kind, one, action.uid)
    return cluster.client.apply(kind, one.key.namespace, one.body, force=action.force)


def kind_of(cluster: Cluster, one: Rendered) -> Kind:
    """Give the kind of an object; the server may be about to serve it. Raises `Failed`."""
    kind = cluster.client.kinds().soon(one.api_version, one.key.kind, seconds=SERVED_SECONDS)
    return kind or cluster.need(one)


def wait_established(cluster: Cluster, one: Rendered) -> None:
    """Wait until the server serves what a definition defines. Raises `Failed`, `StepTimeout`."""
    kind = cluster.need(one)

    def established() -> bool:
        found = cluster.client.get(kind, "", one.key.name) or {}
        conditions = {c["type"]: c for c in (found.get("status") or {}).get("conditions") or ()}
        if (conditions.get("NamesAccepted") or {}).get("status") == "False":
            raise Failed(
                f"{one.key.title()}: {conditions['NamesAccepted'].get('message', 'its names are taken')}",
                code="kubernetes.crd-names",
            )
        return bool((conditions.get("Established") or {}).get("status") == "True")

    until(established, SERVED_SECONDS, f"{one.key.title()} was not established")


def until(ready: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Ask again and again. Raises `StepTimeout`."""
    end = clock.monotonic() + seconds
    while not ready():
        if clock.monotonic() > end:
            raise StepTimeout(f"{otherwise} within {seconds:g} s", code="kubernetes.not-served")
        clock.pause(PAUSE)


def _title(stage: Sequence[Action]) -> str:
    if len(stage) <= _NAMED:
        return "applying " + ", ".join(action.key.title() for action in stage)
    return f"applying {len(stage)} objects: {', '.join(sorted({action.key.kind for action in stage}))}"


def _raise_failures(failed: Sequence[tuple[Action, GitopsError]]) -> None:
    """Raise the first failure; of several, the sentence names the others too."""
    if not failed:
        return
    action, first = failed[0]
    lost = next((error for _, error in failed if not isinstance(error, Failed)), None)
    if lost is not None:  # the server is gone: that says more than which objects it did not take
        raise lost
    if len(failed) == 1:
        raise _named(action, first)
    listed = "; ".join(str(_named(action, error).cause) for action, error in failed[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    raise Failed(f"{len(failed)} objects were refused: {listed}{more}", code=first.code)


def _named(action: Action, error: GitopsError) -> GitopsError:
    title = action.key.title()
    if title in error.cause or not isinstance(error, Failed):
        return error
    return Failed(f"{title}: {error.cause}", code=error.code, next_command=error.next_command)
