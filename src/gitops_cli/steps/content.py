"""What a commit says: project, manifests, migration history; read and checked without running any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.git.tree import check_paths
from gitops_cli.config.history import History, load_history
from gitops_cli.config.load import load_manifests, load_project
from gitops_cli.config.project import Project
from gitops_cli.config.workloads import Manifests

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.adapters.git.repo import Repo
    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.sandbox import Level
    from gitops_cli.config.tree import Tree


class Content(msgspec.Struct, frozen=True):
    """Everything a release reads of one tree."""

    project: Project
    manifests: Manifests
    history: History

    def summary(self) -> str:
        """Count it for the pusher."""
        manifests = len(self.manifests.all)
        parts = [f"{manifests} manifest{'s'[: manifests != 1]}"]
        if self.project.migrations:
            count = len(self.history.revisions)
            parts.append(f"{count} migration{'s'[: count != 1]}")
        return ", ".join(parts)


def load_content(tree: Tree, manifests: Callable[[Project], Manifests] | None = None) -> Content:
    """Read and check a tree. Raises `BadInput` and `BadMigration` with file and line.

    `manifests` reads those of one environment; without it they are the files of the manifests folder.
    """
    check_paths(tree.entries.values())
    project = load_project(tree)
    found = manifests(project) if manifests else load_manifests(tree, project)
    return Content(project, found, load_history(tree, project.migrations))


def content_for(environment: str, repo: Repo, commit: str, home: Home, level: Callable[[], Level]) -> Content:
    """Read a commit as one environment has it: with its overlay, where gitops.yaml names one."""
    tree = repo.tree(commit)

    def manifests(project: Project) -> Manifests:
        overlay = project.kustomize.get(environment)
        if overlay is None:
            return load_manifests(tree, project)
        from gitops_cli.steps.overlays import built_manifests  # noqa: PLC0415 - most projects have none

        return built_manifests(home, tree, overlay, level)

    return load_content(tree, manifests)


def load_past(tree: Tree) -> Content:
    """Read what counts of a commit that is live: its project and its history."""
    return load_content(tree, lambda _project: Manifests())
