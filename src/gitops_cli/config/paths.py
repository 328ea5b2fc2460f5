"""Names of files inside a tree, as people write them in configuration."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from gitops_cli.errors import BadInput, LimitExceeded

if TYPE_CHECKING:
    from gitops_cli.config.tree import Entry, Tree

LINK = 0o120000
GITLINK = 0o160000


def inside(path: str) -> str | None:
    """Give a path in its plain form (`./deploy/` is `deploy`, the top `.`), or None if it leaves the tree."""
    if path.startswith("/") or "\\" in path or not path.isprintable():
        return None
    plain = posixpath.normpath(path or ".")
    return None if plain == ".." or plain.startswith("../") or plain.split("/")[0] == ".git" else plain


def below(folder: str, name: str) -> str:
    """Join a folder (`.` is the top) and a name."""
    return name if folder == "." else f"{folder}/{name}"


def is_folder(tree: Tree, path: str) -> bool:
    """Say whether files lie below a path."""
    return path == "." or any(name.startswith(f"{path}/") for name in tree.entries)


def file_entry(  # noqa: PLR0913 - all but the first two by name
    tree: Tree, path: str, *, limit: int, missing: str, code: str, way: str = ""
) -> Entry:
    """Give the entry of a regular file of at most `limit` bytes. Raises `BadInput` with one sentence.

    `missing` is the sentence for a file that is not there, `way` what is to be done; `code` begins the codes.
    """
    entry = tree.entries.get(path)
    if entry is None:
        if is_folder(tree, path):
            raise BadInput(f"{path} is a directory, not a file", code=f"{code}.kind", file=path)
        raise BadInput(missing, code=f"{code}.missing", next_command=way)
    refuse_links(entry, code)
    if entry.size == 0:
        raise BadInput(f"{path} is empty", code=f"{code}.empty", file=path)
    if entry.size > limit:
        cause = f"{path} has {entry.size} bytes; at most {limit} are read"
        raise LimitExceeded(cause, code=f"{code}.size", file=path)
    return entry


def refuse_links(entry: Entry, code: str) -> None:
    """Refuse a symbolic link or a submodule. Raises `BadInput`."""
    if entry.mode == LINK:
        raise BadInput(
            f"{entry.path} is a symbolic link; only files are read", code=f"{code}.kind", file=entry.path
        )
    if entry.mode == GITLINK:
        raise BadInput(
            f"{entry.path} is a submodule; only files are read", code=f"{code}.kind", file=entry.path
        )
