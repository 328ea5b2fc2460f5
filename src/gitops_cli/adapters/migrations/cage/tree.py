"""Exported commits, and how migrations find the application that they belong to."""

from __future__ import annotations

import configparser
import contextlib
import importlib
import importlib.machinery
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OURS = frozenset(
    {"script_location", "sqlalchemy.url", "version_locations", "prepend_sys_path", "file_template"}
)
"""What gitops decides, whatever the project's alembic.ini says."""


class Tree(NamedTuple):
    """One exported commit: its top, its migration folder, and the project's own alembic.ini."""

    root: Path
    folder: Path
    ini: str


class Finder:
    """Lets migrations import the application that they belong to, after everything else.

    It stands last: no file of the pushed tree can take the place of a module that exists without it.
    """

    def __init__(self) -> None:
        self.paths: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a top-level module of the tree."""
        del target
        return importlib.machinery.PathFinder.find_spec(name, self.paths) if path is None else None

    def use(self, tree: Tree) -> None:
        """Look below this tree from now on; forget what came from another."""
        above = tree.folder.parent
        paths = [str(path) for path in (tree.root, tree.root / "src", above, above / "src") if path.is_dir()]
        if paths == self.paths:
            return
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or ""
            if any(file.startswith(old + "/") for old in self.paths):
                del sys.modules[name]
        self.paths = paths
        importlib.invalidate_caches()


def own_options(tree: Tree) -> Iterator[tuple[str, str]]:
    """Give what the project's alembic.ini tells its own env.py; never where things are."""
    if not tree.ini:
        return
    parser = configparser.RawConfigParser(strict=False)
    with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
        parser.read(tree.root / tree.ini, encoding="utf-8")
    if parser.has_section("alembic"):
        here = str((tree.root / tree.ini).parent)
        for key, value in parser.items("alembic"):
            if key not in OURS:
                plain = value.replace("%(here)s", here).replace("%%", "%")
                yield key, plain.replace("%", "%%")
