"""Which folders of a commit a kustomize overlay is made of. Nothing is built, and nothing fetched, here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitops_cli.config.paths import below, inside, is_folder, refuse_links
from gitops_cli.config.pods import listed, mapping
from gitops_cli.config.typed import bad
from gitops_cli.config.yaml import load_one
from gitops_cli.errors import BadInput, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.config.tree import Tree
    from gitops_cli.config.yaml import Document

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MAX_FOLDERS = 100
_REFERENCES = ("resources", "bases", "components")
_MAYBE_INLINE = ("generators", "transformers", "validators")
_HELM = ("helmCharts", "helmChartInflationGenerator")


def overlay_folders(tree: Tree, overlay: str) -> tuple[str, ...]:
    """Give the overlay's folder and every folder that it is based on. Raises `BadInput` with file and line.

    kustomize takes a name that is no file for the address of a repository, and fetches it: so a name that is
    not in the commit is refused here.
    """
    found: dict[str, None] = {}
    todo = [overlay]
    while todo:
        folder = todo.pop()
        if folder in found:
            continue
        found[folder] = None
        if len(found) > MAX_FOLDERS:
            raise LimitExceeded(
                f"{overlay} is based on more than {MAX_FOLDERS} folders", code="kustomize.limit", file=overlay
            )
        todo += _based_on(tree, folder)
    return tuple(found)


def _based_on(tree: Tree, folder: str) -> Iterator[str]:
    file = next((path for name in NAMES if (path := below(folder, name)) in tree.entries), None)
    if file is None:
        raise BadInput(
            f"there is no {NAMES[0]} in {folder} of {tree.label}", code="kustomize.missing", file=folder
        )
    refuse_links(tree.entries[file], "kustomize")
    document = load_one(tree.read([file])[file], file)
    value = mapping(document.value)
    for field in _HELM:
        if value.get(field):
            cause = f"`{field}`: charts are not fetched; commit what they render"
            raise bad(document, cause, field, code="kustomize.helm")
    for field in (*_REFERENCES, *_MAYBE_INLINE):
        for index, name in enumerate(listed(value.get(field))):
            if isinstance(name, str) and not (field in _MAYBE_INLINE and "\n" in name):
                path = _in_tree(tree, document, folder, name, field, index)
                if is_folder(tree, path):
                    yield path


def _in_tree(tree: Tree, document: Document, folder: str, name: str, *place: Any) -> str:
    path = inside(below(folder, name)) if not name.startswith("/") else None
    if path is None or not (path in tree.entries or is_folder(tree, path)):
        cause = f"`{name[:200]}` is no file or folder of {tree.label}; nothing is fetched: commit it here"
        raise bad(document, cause, *place, code="kustomize.remote")
    return path
