"""`gitops status` and `history`: what was released, what runs, what became of a commit."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from gitops_cli import releases
from gitops_cli.errors import Refused

if TYPE_CHECKING:
    from gitops_cli.pipeline.model import Finished
    from gitops_cli.scaffold.known import Known


def overview(known: Known, *, ask: bool = False) -> dict[str, Any]:
    """Say, for each environment, what was released last, what runs now and how far the branch is ahead.

    A remote on this machine is asked itself, and with `ask` its clusters; of any other, git knows what was
    released. Raises `Refused`.
    """
    home = known.home
    if home is None and ask:
        raise Refused(
            f"{known.remote} is not on this machine, and git cannot ask what runs there",
            code="status.elsewhere",
            next_command="gitops status",
        )
    if home is None:
        found = {name: _from_record(known, name) for name in known.environments()}
    else:
        found = {standing.name: msgspec.to_builtins(standing) for standing in releases.status(home, ask=ask)}
    for name, told in found.items():
        told["newest"] = _short(next((each.told for each in known.releases(name)), None))
        told["refused"] = _short(next(iter(known.not_released(name)), None))
    return {"remote": known.url, "local": home is not None, "environments": found}


def _from_record(known: Known, name: str) -> dict[str, Any]:
    newest = next(known.releases(name)).told.release
    branch = known.branch(name)
    tip = known.checkout.resolve(f"refs/remotes/{known.remote}/{branch}") if branch else ""
    ahead = known.checkout.try_git("rev-list", "--count", f"{newest.commit}..{tip}") if tip else ""
    return {
        "name": name,
        "branch": branch,
        "tip": tip,
        "released": {"number": newest.number, "commit": newest.commit, "tree": newest.tree, "id": newest.id},
        "ahead": int(ahead or 0),
        "live": None,
    }


def _short(told: Finished | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {
        "environment": told.release.environment,
        "release": told.release.number,
        "commit": told.release.commit,
        "subject": told.release.subject,
        "outcome": told.outcome,
        "stage": told.stage,
        "reason": told.reason,
        "started": told.release.started,
        "seconds": told.seconds,
    }


def of_commit(known: Known, name: str) -> dict[str, Any]:
    """Say what became of a commit: released, refused (and why), running, or never pushed."""
    commit = known.checkout.resolve(name)
    if not commit:
        raise Refused(f"{name} is no commit here", code="status.no-commit", next_command="git log")
    found: list[dict[str, Any]] = []
    contained = []
    for environment in known.remote_environments():
        running = known.open_release(environment)
        if running is not None and running.commit == commit:
            found.append(
                {"environment": environment, "release": running.number, "outcome": "open", "live": False}
            )
        released = [each.told for each in known.releases(environment)]
        if released and known.checkout.is_ancestor(commit, released[0].release.commit):
            contained.append(environment)
        everything = sorted([*released, *known.not_released(environment)], key=_number, reverse=True)
        found += [
            {**(_short(told) or {}), "live": told in released[:1]}
            for told in everything
            if told.release.commit == commit
        ]
    return {"commit": commit, "releases": found, "contained_in": contained}


def history(known: Known, environment: str, limit: int) -> dict[str, Any]:
    """List the newest releases, the refused ones too where the remote's disk can be read."""
    names = [known.choose(environment)] if environment else known.remote_environments()
    told: list[Finished] = []
    for name in names:
        told += [recorded.told for recorded in islice(known.releases(name), limit)]
        told += known.not_released(name)[:limit]
    told.sort(key=lambda each: (each.release.started, _number(each)), reverse=True)
    return {"complete": known.home is not None, "releases": [_short(each) for each in told[:limit]]}


def _number(told: Finished) -> int:
    return told.release.number
