"""`gitops status [COMMIT]`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.adapters.clock import stamp
from gitops_cli.cli.result import AsJson, RemoteName, Result
from gitops_cli.scaffold.known import Known
from gitops_cli.scaffold.status import of_commit, overview


def command(
    commit: Annotated[str, typer.Argument(metavar="[COMMIT]", help="Ask after this commit.")] = "",
    *,
    live: Annotated[bool, typer.Option("--live", help="Ask the cluster too: pods, drift.")] = False,
    remote: RemoteName = "gitops",
    as_json: AsJson = False,
) -> Result:
    """Say what runs, or what became of a commit. A lost connection is no answer; this is."""
    del as_json
    known = Known(Checkout.need(), remote).fetch()
    if commit:
        found = of_commit(known, commit)
        return Result(data=found, lines=tuple(_of_commit(found)))
    data = overview(known, ask=live)
    lines = [line for told in data["environments"].values() for line in _environment(told)]
    return Result(data=data, lines=tuple(lines) or (f"{remote} has no releases yet",))


def _of_commit(found: dict[str, Any]) -> list[str]:
    short = found["commit"][:7]
    if found["releases"]:
        return [_fate(short, told) for told in found["releases"]]
    if found["contained_in"]:
        return [f"{short} is part of what runs in {', '.join(found['contained_in'])}"]
    return [f"{short} was not released, and no release of it runs"]


def _fate(short: str, told: dict[str, Any]) -> str:
    head = f"{short} in {told['environment']}: release {told['release']}"
    if told["outcome"] == "released":
        return f"{head}, " + ("which is live" if told["live"] else "which another one has replaced")
    if told["outcome"] == "open":
        return f"{head} runs now, or was cut off (then: gitops recover)"
    return f"{head} was {told['outcome']} in {told['stage']}: {told['reason']}"


def _environment(told: dict[str, Any]) -> list[str]:
    released, newest = told["released"], told["newest"]
    if not newest:
        lines = [f"{told['name']}: nothing was released yet; push {told['branch']}"]
    else:
        lines = [
            f"{told['name']}: release {released['number']}, {released['commit'][:7]} {newest['subject']}",
            f"  released {stamp(newest['started'])} in {newest['seconds']:.1f} s from {told['branch']}",
        ]
    if told.get("gone"):
        lines = [f"{told['name']}: remote.yaml no longer has it (put it back, or: gitops recover)"]
    if told["ahead"]:
        lines.append(f"  {told['branch']} is {told['ahead']} ahead of what runs")
    if told.get("open_release"):
        lines.append(f"  release {told['open_release']} runs now, or was cut off (then: gitops recover)")
    if told.get("freeze"):
        lines.append(f"  frozen: {told['freeze']}")
    if told.get("sandbox"):
        lines.append(f"  sandbox: {told['sandbox']}")
    lines += _live(told.get("live"), released["commit"])
    refused = told["refused"]
    if refused and refused["release"] > released["number"]:
        lines.append(f"  the last push was {refused['outcome']} in {refused['stage']}: {refused['reason']}")
    return lines


def _live(live: dict[str, Any] | None, commit: str) -> list[str]:
    if live is None:
        return []
    lines = []
    if commit and live["commit"] != commit:
        running = live["commit"][:7] or "nothing"
        lines.append(f"  drift: {running} runs, not {commit[:7]} (next: gitops recover)")
    elif live["detail"].get("asked") is False:
        lines.append("  what runs there: gitops status --live")
    elif commit and not live["processes"] and not live["detail"].get("ready"):
        return ["  nothing runs (next: gitops recover)"]
    for process in live["processes"]:
        state = "ready" if process["ready"] else process["reason"] or "not ready"
        parts = [state, f"process {process['pid']}"] if process["pid"] else [state]
        if process["restarts"]:
            parts.append(f"{process['restarts']} restart{'s'[: process['restarts'] != 1]}")
        if not process["ready"]:
            parts.append(f"see: gitops logs --app {process['workload']}")
        lines.append(f"  {process['workload']}: {', '.join(parts)}")
    lines += [f"  drift: {line} (next: gitops recover)" for line in live["detail"].get("drift", ())]
    lines += [f"  {line}" for line in live["detail"].get("frozen", ())]
    return lines + [f"  {name}: {url}" for name, url in sorted(live["urls"].items())]
