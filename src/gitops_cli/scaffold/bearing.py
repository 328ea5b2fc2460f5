"""What a target would refuse of files that nobody has pushed: images and Dockerfiles, as far as they tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gitops_cli.adapters.files import read_or_none
from gitops_cli.adapters.home import Home
from gitops_cli.config.images import Images
from gitops_cli.config.pods import pods
from gitops_cli.config.remote import load_remote
from gitops_cli.errors import BadInput, GitopsError, Refused
from gitops_cli.scaffold.remote import home_of, may_operate
from gitops_cli.targets.local.checks import check_shape
from gitops_cli.targets.local.compile import compile_set, images
from gitops_cli.targets.protocol import AppSet

if TYPE_CHECKING:
    from gitops_cli.adapters.checkout import Checkout
    from gitops_cli.config.tree import Tree
    from gitops_cli.steps.content import Content

LOCAL = "local"


class _One(NamedTuple):
    """A tree that stands for a repository of one."""

    only: Tree

    def tree(self, _name: str, /) -> Tree:
        return self.only


def bear(tree: Tree, content: Content, targets: set[str]) -> tuple[str, ...]:
    """Check what no target would run, and what the local one would not. Raises `Refused`.

    `targets`: where the branch releases to; empty: it is not known. Then what only the local target
    refuses is given as notes.
    """
    if content.project.kustomize:
        return ("the overlays of gitops.yaml are built by the push: images and Dockerfiles were not read",)
    _check_images(content)
    if targets and LOCAL not in targets:
        return ()
    try:
        _check_local(tree, content)
    except BadInput as error:
        if targets:
            raise
        return (f"{error.place}: {error.cause}: the local target refuses it",)
    except Refused:  # it speaks of the remote's machine, which need not be this one
        if targets:
            raise
    return ()


def targets_of(checkout: Checkout, remote: str) -> set[str]:
    """Give the targets that the branch releases to (that of any, if it has none); empty: not known here."""
    url = checkout.remotes.get(remote, "")
    home = home_of(url) if url else None
    if home is None or not may_operate(home):
        return set()
    try:
        found = load_remote(read_or_none(home.config) or b"", str(home.config)).environments.values()
    except GitopsError:  # its operator will hear of it; here it only says nothing
        return set()
    branch = checkout.branch
    return {one.target_name for one in [e for e in found if e.branch == branch] or found}


def _check_images(content: Content) -> None:
    """Refuse an image that is neither a service nor pinned. Raises `BadInput`."""
    known = Images(services=(), known={})
    for manifest in content.manifests.all:
        for pod in pods(manifest.raw):
            for path, holder, key in pod.images():
                if (image := str(holder.get(key) or "")) and image not in content.project.services:
                    known.pinned(image, manifest, path)


def _check_local(tree: Tree, content: Content) -> None:
    """Ask what the local target asks of a push, but for secrets. Raises `Refused`."""
    wanted = AppSet(
        environment=LOCAL,
        release=0,
        commit="",
        tree="",
        project=content.project,
        manifests=content.manifests,
    )
    nowhere = Home(Path("/"))  # only names of folders are made with it
    spec = compile_set(wanted, _One(tree), nowhere, key="check")
    check_shape(spec, images(wanted, _One(tree), nowhere), content.manifests)
