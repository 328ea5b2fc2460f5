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


def load_content(tree: Tree) -> Content:
    """Read and check a tree. Raises `BadInput` and `BadMigration` with file and line."""
    check_paths(tree.entries.values())
    project = load_project(tree)
    manifests = load_manifests(tree, project)
    return Content(project, manifests, load_history(tree, project.migrations))
