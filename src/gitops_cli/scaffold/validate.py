"""`gitops validate`: what the remote would say, as far as it needs neither remote nor database."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitops_cli.adapters.git.repo import Repo
from gitops_cli.errors import Refused
from gitops_cli.scaffold.advice import env_notes
from gitops_cli.scaffold.bearing import bear, targets_of
from gitops_cli.steps.content import load_content
from gitops_cli.steps.validate import check_follows

if TYPE_CHECKING:
    from gitops_cli.adapters.checkout import Checkout
    from gitops_cli.config.tree import Tree


class Validated(NamedTuple):
    """What is well-formed, and what a push would say of it all the same."""

    summary: str
    notes: tuple[str, ...]


def validate(checkout: Checkout, revision: str = "", remote: str = "gitops") -> Validated:
    """Read a commit, or the working tree when `revision` is empty; compare it with what was released last.

    What was released last is what this checkout fetched last: nothing is asked over the network.
    Raises `BadInput`, `BadMigration`, `Refused`.
    """
    with Repo(checkout.git_dir) as repo:
        tree = _tree(checkout, repo, revision)
        content = load_content(tree)
        for record in repo.refs(f"refs/gitops/remotes/{remote}").values():
            parents = repo.commit(record).parents  # the record's last parent is the commit that was released
            check_follows(content, load_content(repo.tree(parents[-1])))
        notes = bear(tree, content, targets_of(checkout, remote))
        return Validated(content.summary(), (*env_notes(tree, content.project.migrations), *notes))


def _tree(checkout: Checkout, repo: Repo, revision: str) -> Tree:
    if not revision:
        return checkout.tree()
    commit = checkout.resolve(revision)
    if not commit:
        raise Refused(f"{revision} is no commit here", code="validate.no-commit", next_command="git log")
    return repo.tree(commit)
