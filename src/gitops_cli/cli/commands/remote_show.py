"""`gitops remote show`."""

from __future__ import annotations

from gitops_cli.cli.result import AsJson, HomeFolder, Result, Table
from gitops_cli.scaffold.homes import find_home
from gitops_cli.scaffold.remote import show


def command(*, home: HomeFolder = "", as_json: AsJson = False) -> Result:
    """Say what a remote on this machine releases, and where; checks its remote.yaml."""
    del as_json
    found = show(find_home(home))
    rows = [
        (name, told["branch"], told["target"], told["database"], told["release"])
        for name, told in found["environments"].items()
    ]
    frozen = [
        f"{name} is frozen: {why}" for name, told in found["environments"].items() if (why := told["freeze"])
    ]
    sandbox = found["sandbox"]
    here = ", ".join(filter(None, (sandbox["found"], sandbox["reason"])))
    return Result(
        data=found,
        table=Table(("environment", "branch", "target", "database", "release"), tuple(rows)),
        lines=(
            f"push to: {found['url']}",
            *([f"database: {found['data']}"] if found["data"] else []),
            f"sandbox: {sandbox['wanted']} (this machine: {here})",
            *frozen,
        ),
    )
