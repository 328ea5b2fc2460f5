"""`gitops validate`: what the remote would say, as far as it needs neither remote nor database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.git.repo import Repo
from gitops_cli.errors import Refused
from gitops_cli.steps.content import Content, load_content
from gitops_cli.steps.validate import check_follows

if TYPE_CHECKING:
    from gitops_cli.adapters.checkout import Checkout


def content_of(checkout: Checkout, revision: str) -> Content:
    """Read a commit, or the working tree when `revision` is empty. Raises `BadInput`, `BadMigration`."""
    if not revision:
        return load_content(checkout.tree())
    commit = checkout.resolve(revision)
    if not commit:
        raise Refused(f"{revision} is no commit here", code="validate.no-commit", next_command="git log")
    with Repo(checkout.git_dir) as repo:
        return load_content(repo.tree(commit))


def validate(checkout: Checkout, revision: str = "", remote: str = "gitops") -> str:
    """Say in one line what was read and found well-formed, and that it can follow what was released last.

    What was released last is what this checkout fetched last: nothing is asked over the network.
    """
    content = content_of(checkout, revision)
    with Repo(checkout.git_dir) as repo:
        for record in repo.refs(f"refs/gitops/remotes/{remote}").values():
            parents = repo.commit(record).parents  # the record's last parent is the commit that was released
            check_follows(content, load_content(repo.tree(parents[-1])))
    return content.summary()
