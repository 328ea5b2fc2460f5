"""`gitops down`."""

from __future__ import annotations

from gitops_cli import releases
from gitops_cli.cli.render import Out
from gitops_cli.cli.result import AsJson, HomeFolder, Result
from gitops_cli.cli.watch import Told
from gitops_cli.scaffold.homes import find_home


def command(*, home: HomeFolder = "", as_json: AsJson = False) -> Result:
    """Stop everything that a remote on this machine runs, its database too.

    Nothing is lost; `gitops recover` starts it again.
    """
    said = releases.down(find_home(home), Told(Out(as_json=as_json)))
    return Result(data={"done": said}, lines=tuple(said) or ("nothing was running",))
