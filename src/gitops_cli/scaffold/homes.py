"""Which remote on this machine an operator's command means."""

from __future__ import annotations

from pathlib import Path

from gitops_cli.adapters.checkout import Checkout
from gitops_cli.adapters.home import Home
from gitops_cli.errors import Refused
from gitops_cli.scaffold.init import REMOTE
from gitops_cli.scaffold.remote import home_of, is_remote


def find_home(wanted: str) -> Home:
    """Give the remote's folder: the one named, the one we stand in, or that of git remote `gitops`.

    Raises `Refused` when it is none.
    """
    if wanted:
        # a typo must not end in a second remote, so what is named here is not advised to be made
        return _need(home_of(wanted) or Home(Path(wanted)), wanted, "name the folder that holds remote.yaml")
    here = Home(Path.cwd())
    if is_remote(here):
        return here
    way = "the same with --home DIR"
    url = Checkout.need(way=f"{way}, or cd into the project").remotes.get(REMOTE, "")
    if not url:
        raise Refused(
            f"there is no git remote {REMOTE}",
            code="checkout.no-remote",
            next_command=way,
        )
    home = home_of(url)
    if home is None:
        raise Refused(
            "git remote gitops is not on this machine; this is its operator's command, over there",
            code="remote.elsewhere",
        )
    return _need(home, url, f"gitops remote init {home.path}")


def _need(home: Home, name: str, way: str) -> Home:
    if not is_remote(home):
        raise Refused(f"{name} is no remote", code="remote.none", next_command=way)
    return home
