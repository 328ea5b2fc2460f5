"""What a Dockerfile comes to without containers: a folder with its files, its dependencies, its defaults."""

from __future__ import annotations

import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.files import private_dir, remove_tree
from gitops_cli.config.dockerfile import load_dockerfile
from gitops_cli.config.dockerfile_run import Unsupported
from gitops_cli.targets.local.dependencies import Plan, folder, plan_of
from gitops_cli.targets.local.install import provide

if TYPE_CHECKING:
    from gitops_cli.adapters.git.repo import Repo
    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.sandbox import Level
    from gitops_cli.config.dockerfile_stage import Dockerfile
    from gitops_cli.config.tree import Tree
    from gitops_cli.pipeline.protocol import Watcher
    from gitops_cli.targets.protocol import AppSet


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One service, as processes of this machine run it."""

    service: str
    view: str
    """The folder that holds the image's files under their paths in the image."""
    mounts: tuple[str, ...]
    workdir: str
    env: dict[str, str]
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    dependencies: str
    """The folder of the installed dependencies; empty: none."""
    plan: Plan
    unsupported: tuple[Unsupported, ...]
    """What needs containers."""
    file: str
    """The Dockerfile."""


def views(home: Home, environment: str) -> Path:
    """Name the folder of all views of an environment."""
    return home.local(environment) / "views"


def image_of(home: Home, wanted: AppSet, service: str, dockerfile: Dockerfile, tree: Tree) -> Image:
    """Decide where a service's files and dependencies lie. Makes nothing."""
    plan = plan_of(dockerfile, tree, wanted.project.services[service].context)
    return Image(
        service=service,
        view=str(views(home, wanted.environment) / _name(wanted.tree, service, plan.key)),
        mounts=tuple(mounts(dockerfile)),
        workdir=dockerfile.workdir,
        env=dockerfile.env,
        entrypoint=dockerfile.entrypoint,
        cmd=() if dockerfile.command == dockerfile.entrypoint else dockerfile.cmd,
        dependencies=str(folder(home, plan)) if plan.key else "",
        unsupported=dockerfile.unsupported,
        file=dockerfile.file,
        plan=plan,
    )


def _name(tree: str, service: str, key: str) -> str:
    return f"{service}-{sha256(f'{tree} {key}'.encode()).hexdigest()[:24]}"


_SYSTEM = frozenset(  # folders that other images have too
    [
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/lib32",
        "/lib64",
        "/media",
        "/mnt",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",  # noqa: S108 - the image's
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/usr/local",
        "/usr/local/bin",
        "/usr/local/lib",
        "/usr/share",
        "/usr/src",
        "/var",
        "/var/lib",
        "/var/run",
    ]
)


def mounts(dockerfile: Dockerfile) -> list[str]:
    """Name the image's own folders: the highest ones that no other image has."""
    found: set[str] = set()
    for path in [*dockerfile.files, dockerfile.workdir.rstrip("/") + "/."]:
        parts = path.split("/")[1:-1]
        names = ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]
        own = next((name for name in names if name not in _SYSTEM), None)
        if own is not None:
            found.add(own)
    return sorted(found)


def prepare_images(wanted: AppSet, repo: Repo, home: Home, level: Level, watch: Watcher) -> str:
    """Make views and dependencies of every service that runs. Raises `GitopsError`."""
    tree = repo.tree(wanted.tree)
    lines: list[str] = []
    for name, spec in wanted.project.services.items():
        dockerfile = load_dockerfile(tree, spec)
        image = image_of(home, wanted, name, dockerfile, tree)
        _make_view(Path(image.view), wanted.tree, repo, dockerfile, image)
        how = provide(
            home, name, image.plan, lambda dest: repo.export(wanted.tree, dest), level=level, watch=watch
        )
        _link_modules(image)
        lines.append(f"{name}: {how}")
    return ", ".join(lines) or "nothing to prepare"


def _make_view(view: Path, tree: str, repo: Repo, dockerfile: Dockerfile, image: Image) -> None:
    """Write the image's files, all or none: an existing view is whole, as it came by one rename."""
    if view.is_dir():
        os.utime(view)
        return
    private_dir(view.parent)
    token = f"{secrets.token_hex(4)}.{os.getpid()}.tmp"  # the pid tells whether somebody still writes
    source = view.with_name(f".{view.name}.tree.{token}")
    temporary = view.with_name(f".{view.name}.{token}")
    try:
        repo.export(tree, source)
        for path in ("", *image.mounts, image.workdir):
            Path(f"{temporary}/{path}").mkdir(mode=0o755, parents=True, exist_ok=True)
        for path, origin in dockerfile.files.items():
            target = Path(f"{temporary}/{path}")
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # a later COPY wins
            os.link(source / origin, target)
        try:
            temporary.rename(view)
        except OSError:
            if not view.is_dir():  # else somebody else was quicker, with the same bytes
                raise
    finally:
        remove_tree(source)
        remove_tree(temporary)


def _link_modules(image: Image) -> None:
    """Let Node find its modules beside the code."""
    modules = Path(f"{image.view}/{image.workdir}/node_modules")
    if image.plan.kind == "node" and not modules.exists() and not modules.is_symlink():
        modules.symlink_to(Path(image.dependencies) / "node_modules")
