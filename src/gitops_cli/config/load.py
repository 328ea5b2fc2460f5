"""gitops.yaml and the manifests out of a tree: typed, checked, each error with file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.config.manifests import MAX_FILES, MAX_TOTAL, Reader
from gitops_cli.config.paths import file_entry, inside, is_folder, refuse_links
from gitops_cli.config.project import Check, Job, Project, ServiceSpec
from gitops_cli.config.secrets import refuse_secrets
from gitops_cli.config.typed import bad, convert, nearest
from gitops_cli.config.yaml import Document, load_one
from gitops_cli.config.yaml_guard import MAX_BYTES
from gitops_cli.errors import BadInput, LimitExceeded

if TYPE_CHECKING:
    from gitops_cli.config.tree import Entry, Tree
    from gitops_cli.config.workloads import Manifests

PROJECT_FILE = "gitops.yaml"
_LONGEST = 3600
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml")


def load_project(tree: Tree) -> Project:
    """Read gitops.yaml at the top of a tree. Raises `BadInput`."""
    missing = f"no {PROJECT_FILE} at the top of {tree.label}"
    file_entry(tree, PROJECT_FILE, limit=MAX_BYTES, missing=missing, code="project", way="gitops init")
    return parse_project(tree.read([PROJECT_FILE])[PROJECT_FILE])


def parse_project(data: bytes, file: str = PROJECT_FILE) -> Project:
    """Read gitops.yaml from its bytes. Folders come out in their plain form. Raises `BadInput`."""
    document = load_one(data, file)
    project = convert(document, Project)
    refuse_secrets(data, [document], file)
    services = {
        name: ServiceSpec(
            dockerfile=_folder(document, spec.dockerfile, "services", name, "dockerfile"),
            context=_folder(document, spec.context, "services", name, "context"),
        )
        for name, spec in project.services.items()
    }
    _check_tasks(document, project)
    return msgspec.structs.replace(
        project,
        services=services,
        manifests=_folder(document, project.manifests, "manifests"),
        migrations=project.migrations and _folder(document, project.migrations, "migrations"),
        kustomize={
            name: _folder(document, path, "kustomize", name) for name, path in project.kustomize.items()
        },
    )


def load_manifests(tree: Tree, project: Project) -> Manifests:
    """Read every *.yaml and *.yml below the manifests folder. Raises `BadInput`."""
    found = _manifest_entries(tree, project)
    contents = tree.read([entry.path for entry in found])
    reader = Reader()
    for entry in found:
        reader.take(contents[entry.path], entry.path)
    return reader.result()


def _manifest_entries(tree: Tree, project: Project) -> list[Entry]:
    folder = project.manifests
    if folder in tree.entries:
        refuse_links(tree.entries[folder], "manifest")
        raise BadInput(f"{folder} is a file; `manifests` names a folder", code="manifest.kind", file=folder)
    if not is_folder(tree, folder):
        cause = f"there is no folder `{folder}` for the manifests in {tree.label}"
        raise BadInput(cause, code="manifest.missing", file=PROJECT_FILE)
    below = "" if folder == "." else f"{folder}/"
    inside_folder = [entry for path, entry in sorted(tree.entries.items()) if path.startswith(below)]
    found = []
    for entry in inside_folder:
        if folder != "." or entry.path.endswith((".yaml", ".yml")):
            refuse_links(entry, "manifest")
        if not entry.path.endswith((".yaml", ".yml")) or _of_kustomize(entry.path, project, below):
            continue
        if entry.path not in {PROJECT_FILE, f"{below}{PROJECT_FILE}"}:
            found.append(entry)
    if len(found) > MAX_FILES:
        raise LimitExceeded(f"more than {MAX_FILES} manifest files", code="manifest.limit", file=folder)
    large = next((entry for entry in found if entry.size > MAX_BYTES), None)
    if large is not None:
        raise LimitExceeded(f"larger than {MAX_BYTES} bytes", code="manifest.limit", file=large.path)
    if sum(entry.size for entry in found) > MAX_TOTAL:
        raise LimitExceeded(f"more than {MAX_TOTAL} bytes of manifests", code="manifest.limit", file=folder)
    return found


def _of_kustomize(path: str, project: Project, below: str) -> bool:
    """Say whether kustomize alone reads a file: its own, or one of an overlay in the manifests folder."""
    if path.rpartition("/")[2] in _KUSTOMIZATIONS:
        if not project.kustomize:
            cause = "only kustomize reads this file; name its folder under `kustomize` in gitops.yaml"
            raise BadInput(cause, code="manifest.kustomization", file=path)
        return True
    overlays = [overlay for overlay in project.kustomize.values() if overlay.startswith(below)]
    return any(path.startswith(f"{overlay}/") for overlay in overlays)


def _folder(document: Document, path: str, *place: str) -> str:
    plain = inside(path)
    if plain is None:
        raise bad(document, f"`{place[-1]}` must be a path inside the project", *place, code="project.path")
    return plain


def _check_tasks(document: Document, project: Project) -> None:
    tasks: list[tuple[str, str, Job | Check]] = [("jobs", name, job) for name, job in project.jobs.items()]
    tasks += [("checks", name, check) for name, check in project.checks.items()]
    for group, name, task in tasks:
        if task.service not in project.services:
            cause = f"there is no service `{task.service}`{nearest(task.service, project.services)}"
            raise bad(document, cause, group, name, "service", code="project.service")
        if not 1 <= task.timeout_seconds <= _LONGEST:
            cause = f"`timeoutSeconds` must be 1 to {_LONGEST}"
            raise bad(document, cause, group, name, "timeoutSeconds", code="project.timeout")
    for name, job in project.jobs.items():
        if not job.command:
            raise bad(
                document, "`command` must not be empty", "jobs", name, "command", code="project.command"
            )
    for name, check in project.checks.items():
        if bool(check.command) == bool(check.http):
            raise bad(
                document, "a check has either `command` or `http`", "checks", name, code="project.check"
            )
        if check.http and not check.http.startswith("/"):
            raise bad(
                document,
                "`http` must be a path, such as /health",
                "checks",
                name,
                "http",
                code="project.http",
            )
