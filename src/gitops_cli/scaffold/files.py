"""Which files a project still lacks, and what they say."""

from __future__ import annotations

import platform
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gitops_cli.adapters import templates
from gitops_cli.config.load import load_project
from gitops_cli.config.project import Project, ServiceSpec
from gitops_cli.errors import Refused
from gitops_cli.scaffold.detect import FoundService

if TYPE_CHECKING:
    from gitops_cli.config.tree import Tree
    from gitops_cli.scaffold.detect import Found

_APP = {
    "app.py": "app.py",
    "requirements.txt": "requirements.txt",
    "Dockerfile": "Dockerfile",
    ".dockerignore": "dockerignore",
    ".gitignore": "gitignore",
}
"""The small app that an empty folder gets: path and template."""
_HTTP_PROBE = """\
            httpGet: {path: /healthz, port: http}
            periodSeconds: 1
            failureThreshold: 30"""
_PAGE_PROBE = """\
            httpGet: {path: /, port: http}   # a page that answers 200 when the app can serve
            periodSeconds: 5
            failureThreshold: 6"""
"""Not `tcpSocket`: gunicorn listens before it loads the application; one that cannot start would be ready."""


def missing_files(tree: Tree, found: Found, name: str) -> dict[str, str]:
    """Give path and text of each file to write. Raises `Refused`, `BadInput` for a broken gitops.yaml."""
    services = found.services
    wanted: dict[str, str] = {}
    if found.empty and not services:
        services = (FoundService("web", "Dockerfile", "."),)
        python = ".".join(platform.python_version_tuple()[:2])  # the one that `local` runs it with
        wanted |= {
            path: templates.read(f"project/{source}", name=name, python=python)
            for path, source in _APP.items()
        }
    project = _project(tree, found, name, services)
    if not found.configured:
        wanted["gitops.yaml"] = _gitops_yaml(project)
    if not any(path.startswith(f"{project.manifests}/") for path in tree.entries):
        wanted |= _manifests(project, services, probe=_HTTP_PROBE if found.empty else _PAGE_PROBE)
    if project.migrations and f"{project.migrations}/env.py" not in tree.entries:
        wanted |= _migrations(project.migrations, with_first=found.empty)
    return {path: text for path, text in wanted.items() if path not in tree.entries}


def _project(tree: Tree, found: Found, name: str, services: tuple[FoundService, ...]) -> Project:
    """Say what the project is: what its gitops.yaml says, or what was found."""
    if found.configured:
        return load_project(tree)
    if not services:
        raise Refused(
            "there is no Dockerfile, and gitops runs what a Dockerfile says",
            code="init.no-dockerfile",
            next_command="write a Dockerfile with the command that starts the app, then: gitops init",
        )
    return Project(
        name=name,
        services={service.name: ServiceSpec(service.dockerfile, service.context) for service in services},
        manifests=found.manifests or "deploy",
        migrations=found.migrations or "migrations",
    )


def _gitops_yaml(project: Project) -> str:
    lines = []
    for name, service in project.services.items():
        lines.append(f"  {name}:")
        lines.append(f"    dockerfile: {service.dockerfile}")
        lines += [f"    context: {service.context}"] if service.context != "." else []
    return templates.read(
        "project/gitops.yaml",
        name=project.name,
        services="\n".join(lines) + "\n",
        manifests=project.manifests,
        migrations=project.migrations,
        first=next(iter(project.services)),
    )


def _manifests(project: Project, services: tuple[FoundService, ...], *, probe: str) -> dict[str, str]:
    ports = {service.name: service.port for service in services}
    wanted = {}
    for name in project.services:
        prefix = f"{name}-" if len(project.services) > 1 else ""
        for kind in ("deployment", "service"):
            wanted[f"{project.manifests}/{prefix}{kind}.yaml"] = templates.read(
                f"project/deploy/{kind}.yaml", service=name, port=str(ports.get(name, 8080)), readiness=probe
            )
    return wanted


def _migrations(folder: str, *, with_first: bool) -> dict[str, str]:
    files = {
        "alembic.ini": templates.read("project/alembic.ini", migrations=folder),
        f"{folder}/env.py": templates.read("project/migrations/env.py"),
        f"{folder}/script.py.mako": templates.read("project/migrations/script.py.mako"),
    }
    first = "0001_notes.py" if with_first else ""
    if first:
        files[f"{folder}/versions/{first}"] = templates.read(f"project/migrations/versions/{first}")
    else:
        files[str(PurePosixPath(folder, "versions", ".gitkeep"))] = ""
    return files
