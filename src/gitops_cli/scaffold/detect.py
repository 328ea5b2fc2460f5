"""What is already there: services, manifests, migrations. Reads names and a few small files; runs nothing."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.config.dockerfile import parse_dockerfile
from gitops_cli.errors import BadInput

if TYPE_CHECKING:
    from gitops_cli.config.tree import Tree

_PORT = 8080
_NUMBER = re.compile(r"[1-9]\d{0,4}")
_SCRIPTS = re.compile(rb"^\s*script_location\s*=\s*(\S+)", re.MULTILINE)
_WORKLOAD = re.compile(rb"^kind:\s*['\"]?Deployment['\"]?\s*(#.*)?$", re.MULTILINE)
_DEEPEST_MANIFEST = 2
"""Slashes: `deploy/web.yaml`, `deploy/base/web.yaml`."""
_DEEPEST_DOCKERFILE = 3
"""Folders: `services/web/Dockerfile` is found, an example deep in the docs is not."""
_NOT_A_PROJECT = frozenset({"README.md", "README", "README.rst", "LICENSE", "LICENSE.txt", "LICENSE.md"})


class FoundService(msgspec.Struct, frozen=True):
    """Something with a Dockerfile. `port`: what it exposes, else its PORT, else 8080."""

    name: str
    dockerfile: str
    context: str
    port: int = _PORT


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder holds already; empty strings: not found."""

    empty: bool
    """Nothing but hidden files, a README and a licence."""
    services: tuple[FoundService, ...] = ()
    manifests: str = ""
    migrations: str = ""
    configured: bool = False
    """There is a gitops.yaml."""


def detect(tree: Tree) -> Found:
    """Look at a folder."""
    visible = [path for path in tree.entries if not path.startswith(".") and path not in _NOT_A_PROJECT]
    return Found(
        empty=not visible,
        services=_services(tree),
        manifests=_manifests(tree),
        migrations=_migrations(tree),
        configured="gitops.yaml" in tree.entries,
    )


def label(text: str) -> str:
    """Make a DNS label of a folder's name: what `name:` and services in gitops.yaml may be called."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
    return plain or "app"


def _services(tree: Tree) -> tuple[FoundService, ...]:
    found = []
    for path in sorted(tree.entries, key=lambda path: (path.count("/"), path)):
        place = PurePosixPath(path)
        if place.name != "Dockerfile" or len(place.parts) > _DEEPEST_DOCKERFILE:
            continue
        name = label(place.parent.name) if place.parent.name else "web"
        port = _port(tree.read([path])[path], path)
        found.append(FoundService(name, path, str(place.parent), port))
    return tuple({service.name: service for service in reversed(found)}.values())[::-1]


def _port(data: bytes, path: str) -> int:
    try:
        found = parse_dockerfile(data, path)
    except BadInput:  # the first push says what is wrong with it
        return _PORT
    given = found.env.get("PORT", "")
    return next(iter(found.expose), int(given) if _NUMBER.fullmatch(given) else _PORT)


def _manifests(tree: Tree) -> str:
    candidates = [
        path
        for path in tree.entries
        if path.endswith((".yaml", ".yml")) and 1 <= path.count("/") <= _DEEPEST_MANIFEST
    ]
    for path in sorted(candidates):
        if not path.startswith(".") and _WORKLOAD.search(tree.read([path])[path]):
            return str(PurePosixPath(path).parent)
    return ""


def _migrations(tree: Tree) -> str:
    """Follow `script_location` of an alembic.ini; else take a folder that looks like Alembic's."""
    for path in sorted(tree.entries, key=lambda path: (path.count("/"), path)):
        if PurePosixPath(path).name == "alembic.ini":
            folder = _script_location(path, tree.read([path])[path])
            if f"{folder}/env.py" in tree.entries:
                return folder
    for path in sorted(tree.entries, key=lambda path: (path.count("/"), path)):
        place = PurePosixPath(path)
        if place.name == "env.py" and f"{place.parent}/script.py.mako" in tree.entries:
            return str(place.parent)
    return ""


def _script_location(ini: str, data: bytes) -> str:
    here = str(PurePosixPath(ini).parent)
    found = _SCRIPTS.search(data)
    if found is None:
        return here  # Flask-Migrate's alembic.ini lies in the folder itself and names none
    written = found[1].decode("utf-8", "replace").replace("%(here)s", here)
    return str(PurePosixPath(written))
