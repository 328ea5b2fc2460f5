"""Which dependencies a service wants, and under which key they lie in the cache.

The key is made of the blob ids of every file that the installation reads, its options, and this machine's
Python or Node: the same files give the same folder, whichever commit they come from.
"""

from __future__ import annotations

import platform
import posixpath
import re
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import msgspec

from gitops_cli.config.dockerfile_run import DependencyInstall

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitops_cli.adapters.home import Home
    from gitops_cli.config.dockerfile_stage import Dockerfile
    from gitops_cli.config.tree import Tree

_INCLUDED = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[=\s]*([^\s#]+)")
_LOCAL = re.compile(
    r"^\s*(?:(?:-e|--editable)[=\s]+)?(?:[\w.-]+\s*@\s*)?(?:file:)?"
    r"(\.{1,2}(?:/[\w./+-]*)?|[\w./+-]+\.(?:whl|tar\.gz|zip)|[\w.+-]+/[\w./+-]*)(?:\[|\s|;|$)"
)
_MOST_DEPTH = 5


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to install. Everything in it is decided by the commit and this machine."""

    kind: Literal["python", "node", ""] = ""
    key: str = ""
    installs: tuple[DependencyInstall, ...] = ()
    context: str = "."
    """The folder of the tree in which the installers run."""
    version: str = ""
    """Which version the image would have."""


def plan_of(dockerfile: Dockerfile, tree: Tree, context: str) -> Plan:
    """Decide what a service needs."""
    kind: Literal["python", "node", ""] = "python" if dockerfile.python else "node" if dockerfile.node else ""
    if not kind or (kind == "node" and not dockerfile.dependencies):
        return Plan()
    files = sorted(set(_files(dockerfile.dependencies, tree, context)))
    hashed = sha256(repr([kind, _machine(), context]).encode())
    for install in dockerfile.dependencies:
        hashed.update(msgspec.json.encode(msgspec.structs.replace(install, line=0)))
    for path in files:
        hashed.update(f"{path} {tree.entries[path].oid}\n".encode())
    return Plan(
        kind=kind,
        key=hashed.hexdigest()[:32],
        installs=dockerfile.dependencies,
        context=context,
        version=dockerfile.language_version,
    )


def folder(home: Home, plan: Plan) -> Path:
    """Name the folder of a plan."""
    return home.cache / "deps" / plan.key


def mark(home: Home, plan: Plan) -> Path:
    """Name the file that says that the folder is complete."""
    return home.cache / "deps" / f"{plan.key}.complete"


def _machine() -> list[str]:
    return [sys.version, sys.base_prefix, platform.machine(), *platform.libc_ver()]


def _files(installs: Iterable[DependencyInstall], tree: Tree, context: str) -> Iterable[str]:
    """Name every file of the tree that the installation reads."""
    for install in installs:
        for path in (*install.requirements, *install.constraints):
            yield from _requirements(path, tree, context, _MOST_DEPTH)
        for project in install.projects:
            where = _plain(project.partition("[")[0])
            if install.kind == "npm":
                yield from (p for p in (_below(where, n) for n in _NPM_FILES) if p in tree.entries)
            else:
                yield from _all_below(where, tree)


_NPM_FILES = ("package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc")


def _requirements(path: str, tree: Tree, context: str, depth: int) -> Iterable[str]:
    """Follow a requirements file to those that it includes and to the packages in the tree that it names."""
    if path not in tree.entries or depth == 0:
        return
    yield path
    for line in tree.read([path])[path].decode("utf-8", "replace").splitlines():
        if included := _INCLUDED.match(line):  # relative to the file
            yield from _requirements(_below(posixpath.dirname(path), included[1]), tree, context, depth - 1)
        elif local := _LOCAL.match(line):  # relative to the folder in which pip runs
            target = _below(context, local[1])
            yield from [target] if target in tree.entries else _all_below(target, tree)


def _all_below(where: str, tree: Tree) -> Iterable[str]:
    prefix = "" if where in {"", "."} else f"{where}/"
    return (path for path in tree.entries if path.startswith(prefix))


def _below(where: str, name: str) -> str:
    return _plain(posixpath.join(where, name))


def _plain(path: str) -> str:
    plain = posixpath.normpath(path)
    return "" if plain == "." else plain.removeprefix("./")
