"""Where the files of a tree come to lie in an image, and back."""

from __future__ import annotations

import fnmatch
import posixpath
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.config.paths import below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitops_cli.config.dockerfile_run import DependencyInstall
    from gitops_cli.config.tree import Tree

MAX_SOURCES = 200
"""Sources of all COPY lines: each may look at every file of the tree."""
_MARKERS = ("pyproject.toml", "package.json", "setup.py", "setup.cfg")


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """Files of the context that come into the image."""

    sources: tuple[str, ...]
    """As in the context, plain; may hold `*` and `?`; `.` is all of it."""
    dest: str
    """Absolute, in the image."""
    into: bool
    """Whether `dest` is a folder for certain."""
    line: int


def image_files(copies: Iterable[Copy], context: str, tree: Tree) -> dict[str, str]:
    """Tell where in the image each file of the tree comes to lie. `.dockerignore` is not applied."""
    prefix = "" if context == "." else f"{context}/"
    names = [path.removeprefix(prefix) for path in tree.entries if path.startswith(prefix)]
    present = set(names)
    found: dict[str, str] = {}
    for copy in copies:
        for source in copy.sources:
            if source in present:
                to = posixpath.join(copy.dest, posixpath.basename(source)) if copy.into else copy.dest
                found[to] = below(context, source)
                continue
            for name, rest in _matching(names, source):
                found[posixpath.join(copy.dest, rest)] = below(context, name)
    return found


def _matching(names: Iterable[str], source: str) -> Iterator[tuple[str, str]]:
    """Give each file of a folder or a pattern, with its name below the destination."""
    pattern = "*" in source or "?" in source or "[" in source
    for name in names:
        if source == ".":
            yield name, name
        elif pattern:
            head = "/".join(name.split("/")[: source.count("/") + 1])
            if fnmatch.fnmatchcase(head, source):
                yield name, name[len(head) + 1 :] or posixpath.basename(name)
        elif name.startswith(f"{source}/"):
            yield name, name[len(source) + 1 :]


def in_tree(found: DependencyInstall, files: dict[str, str], context: str, tree: Tree) -> DependencyInstall:
    """Turn the image's paths of an installation into the tree's; one that is not there stays absolute."""

    def file(path: str) -> str:
        guess = below(context, posixpath.basename(path))  # a bind mount, or a file of another stage
        return files.get(path) or (guess if guess in tree.entries else path)

    def folder(path: str) -> str:
        plain, bracket, extras = path.partition("[")
        for marker in _MARKERS:
            source = files.get(posixpath.join(plain, marker), "")
            if source:
                return (posixpath.dirname(source) or ".") + bracket + extras
        if any(below(context, marker) in tree.entries for marker in _MARKERS):
            return context + bracket + extras
        return path

    return msgspec.structs.replace(
        found,
        requirements=tuple(map(file, found.requirements)),
        constraints=tuple(map(file, found.constraints)),
        projects=tuple(map(folder, found.projects)),
    )
