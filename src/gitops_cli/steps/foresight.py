"""What a target can say of a push in pre-receive, before anything has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.config.remote import Environment
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.steps.content import Content
    from gitops_cli.steps.surroundings import Surroundings


def foresee(
    around: Surroundings,
    environment: Environment,
    pushed: tuple[str, Content],
    options: Sequence[str],
    watch: Watcher,
) -> None:
    """Let the target plan a commit. Costs nothing where there is no server to ask. Raises `Refused`."""
    if environment.kubernetes is None:
        return
    commit, content = pushed
    tree = around.repo.commit(commit).tree
    context = around.context(environment, watch, contents={commit: content})
    same = tree == records.released(around.repo, environment.name).tree
    if same and "redeploy" not in options and context.serves(tree):
        return  # nothing to do, as the release will say
    context.target.foresee(context.app_set(0, commit, tree, tuple(options)), watch)
