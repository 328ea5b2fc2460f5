"""`gitops recover`."""

from __future__ import annotations

from gitops_cli import releases
from gitops_cli.cli.render import Out
from gitops_cli.cli.result import AsJson, HomeFolder, Result
from gitops_cli.cli.watch import Told
from gitops_cli.scaffold.homes import find_home


def command(*, home: HomeFolder = "", as_json: AsJson = False) -> Result:
    """Settle what a crash left, and start what should run: after a reboot, or when a push was cut off.

    For the remote's operator. A release that was cut off is finished if the branch or its record names
    it, else undone. Where nothing is wrong it changes nothing.
    """
    watch = Told(Out(as_json=as_json))
    said = releases.recover(find_home(home), watch)
    return Result(data={"done": said}, lines=tuple(said) or ("nothing to do: all is as it was released",))
