"""Reads what runs and what it printed. Changes nothing, and works while no supervisor lives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import clock
from gitops_cli.adapters.files import read_or_none
from gitops_cli.errors import Refused, Unavailable
from gitops_cli.targets.asking import Way, choose
from gitops_cli.targets.local import inventory
from gitops_cli.targets.local.environment import service_variables
from gitops_cli.targets.local.logs import LOOK_AGAIN, Follower, last_lines
from gitops_cli.targets.protocol import Live, Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.targets.local.client import Supervisor
    from gitops_cli.targets.local.inventory import Route, SetSpec


def ports(folder: Path) -> dict[str, int]:
    """Read the stable port of each route."""
    try:
        return msgspec.json.decode(read_or_none(folder / "ports.json") or b"{}", type=dict[str, int])
    except msgspec.MsgspecError:
        return {}


def services(folder: Path, spec: SetSpec) -> dict[str, str]:
    """Name each Service that has a port already, as Kubernetes does."""
    return service_variables(spec, ports(folder))


def urls(folder: Path, spec: SetSpec | None) -> dict[str, str]:
    """Give a URL for each Service; of several ports, the first has the Service's name alone."""
    known = ports(folder)
    return {
        name: f"http://127.0.0.1:{known[route.id]}"
        for name, route in (_routes(spec) if spec is not None else {}).items()
        if route.id in known
    }


def _routes(spec: SetSpec) -> dict[str, Route]:
    found: dict[str, Route] = {}
    for route in spec.routes:
        more = f"{route.service}:{route.name or route.port}"
        found[more if route.service in found else route.service] = route
    return found


def asked(folder: Path, spec: SetSpec | None, service: str) -> str:
    """Give the URL where a check asks a service; empty without any Service. Raises `Failed`."""
    if spec is None:
        return ""
    known, routes = urls(folder, spec), _routes(spec)
    runs = {(w.name, c.name): c.service for w in spec.workloads for c in w.containers}
    beside = {name: {runs[each] for each in runs if each[0] == name} for name, _ in runs}
    ways = {
        key: Way(
            route.service,
            {runs[b.workload, b.container] for b in route.backends},
            {one for b in route.backends for one in beside[b.workload]},
        )
        for key, route in routes.items()
        if key in known
    }
    return known.get(choose(service, ways), "")


def live(folder: Path, supervisor: Supervisor) -> Live:
    """Say what runs: the serving set's processes, and the other set's behind them."""
    try:
        found = inventory.load(folder)
    except Unavailable as error:
        return Live(detail={"inventory": error.cause})
    who = supervisor.identity()
    status = supervisor.ask_if_alive("status") if who is not None else {}
    sets = status.get("sets", {})
    serving = found.serving
    order = [s.key for s in found.sets if s.key in sets]
    processes = tuple(_process(sets[key], p) for key in order for p in sets[key]["processes"])
    return Live(
        commit=serving.commit if serving else "",
        release=serving.release if serving else 0,
        processes=processes,
        urls=urls(folder, serving),
        detail={
            "supervisor": who.pid if who is not None else 0,
            "ready": bool(serving and sets.get(serving.key, {}).get("ready")),
            "beside": [s.release for s in (found.candidate, found.parked) if s is not None],
        },
    )


def _process(of: dict[str, object], found: dict[str, object]) -> Process:
    name = f"{found['workload']}"
    if found["container"] != name:
        name = f"{name}/{found['container']}"
    return msgspec.convert(
        {
            "workload": name,
            "release": of["release"],
            "commit": of["commit"],
            "pid": found["pid"],
            "ready": found["ready"],
            "restarts": found["restarts"],
            "reason": found["reason"],
        },
        Process,
    )


def plan(folder: Path, wanted: SetSpec) -> list[str]:
    """Compare a set with the one that serves, a line for each workload and Service."""
    serving = inventory.load(folder).serving
    before = {w.name: w for w in serving.workloads} if serving else {}
    after = {w.name: w for w in wanted.workloads}
    lines: list[str] = []
    for name, workload in after.items():
        old = before.get(name)
        how = "new" if old is None else "restarts" if old == workload else "changes"
        count = f"{workload.replicas} replica{'s'[: workload.replicas != 1]}"
        if old is not None and old.replicas != workload.replicas:
            count = f"{old.replicas} to {count}"
        lines.append(
            f"Deployment {name}: {how}, {count}" + (", stops first" if workload.recreate and old else "")
        )
    lines += [f"Deployment {name}: ends" for name in before if name not in after]
    old_routes = {r.id for r in serving.routes} if serving else set()
    new_routes = {r.id for r in wanted.routes}
    lines += [f"Service {route}: new" for route in sorted(new_routes - old_routes)]
    lines += [f"Service {route}: ends" for route in sorted(old_routes - new_routes)]
    return lines


def missing(spec: SetSpec) -> bool:
    """Say whether a folder that the set runs from is gone."""
    return any(not Path(path).is_dir() for path in spec.views())


def logs(folder: Path, service: str, *, follow: bool, lines: int) -> Iterator[str]:
    """Give the last lines of a service or workload. Raises `Refused` for one that never ran."""
    find = _Finder(folder, service)
    paths = find()
    if not paths and not follow:
        raise Refused(
            f"nothing called {service} has printed anything here",
            code="local.no-logs",
            next_command="gitops status",
        )
    follower = Follower(paths)
    yield from last_lines(paths, lines)
    while follow:
        found = follower.poll(find())
        yield from found
        if not found:
            clock.pause(LOOK_AGAIN)


class _Finder:
    """Finds the logs of a service, also those of containers that come later."""

    def __init__(self, folder: Path, service: str) -> None:
        self._folder = folder
        self._service = service

    def __call__(self) -> list[Path]:
        wanted: set[str] = set()
        for spec in inventory.load(self._folder).sets:
            for workload in spec.workloads:
                for container in workload.init + workload.containers:
                    if not self._service or self._service in (
                        workload.name,
                        container.service,
                        container.name,
                    ):
                        wanted.add(f"{workload.name}.{container.name}.")
        found = sorted((self._folder / "logs").glob("*.log"))
        own = [p for p in found if p.name.partition(".")[0] == self._service]
        return (
            sorted({*own, *(p for p in found if p.name.startswith(tuple(wanted)))}) if wanted or own else []
        )
