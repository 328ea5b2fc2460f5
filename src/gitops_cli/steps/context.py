"""What the steps of one release share: where they are, and what the commits say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitops_cli.steps.content import Content, content_for
from gitops_cli.targets.protocol import AppSet

if TYPE_CHECKING:
    from gitops_cli.adapters.git.repo import Repo
    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.sandbox import Level
    from gitops_cli.config.remote import Environment
    from gitops_cli.pipeline.model import Release
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.steps.transcript import Transcript
    from gitops_cli.targets.protocol import Target


@dataclass(frozen=True, kw_only=True)
class Context:
    """The surroundings of one release in one environment."""

    home: Home
    environment: Environment
    repo: Repo
    target: Target
    level: Level
    watch: Watcher
    transcript: Transcript
    lock_fds: tuple[int, ...] = ()
    """Descriptors of the locks that `git update-ref` inherits: nobody looks while it still runs."""
    contents: dict[str, Content] = field(default_factory=dict)
    """What was read so far, by commit."""

    def content(self, commit: str) -> Content:
        """Give what a commit says, read once. Raises `BadInput`."""
        if commit not in self.contents:
            self.contents[commit] = content_for(
                self.environment.name, self.repo, commit, self.home, lambda: self.level
            )
        return self.contents[commit]

    def serves(self, tree: str) -> bool:
        """Say whether that tree is what the target has live: not where it was bound to another one since."""
        live = self.target.live().commit
        return bool(live) and self.repo.commit(live).tree == tree

    def wanted(self, release: Release) -> AppSet:
        """Give what a release wants to run."""
        return self.app_set(release.number, release.commit, release.tree, release.options)

    def app_set(self, number: int, commit: str, tree: str, options: tuple[str, ...] = ()) -> AppSet:
        """Give what a commit wants to run in this environment."""
        content = self.content(commit)
        return AppSet(
            environment=self.environment.name,
            release=number,
            commit=commit,
            tree=tree,
            project=content.project,
            manifests=content.manifests,
            options=options,
        )
