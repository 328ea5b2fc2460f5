"""What is known of one stage of a Dockerfile, and what is told of the last one."""

from __future__ import annotations

import re

import msgspec

from gitops_cli.config.dockerfile_files import Copy
from gitops_cli.config.dockerfile_run import DependencyInstall, Unsupported

SHELL = ("/bin/sh", "-c")
"""What runs a command in shell form."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Dockerfile(msgspec.Struct, frozen=True, kw_only=True):
    """The last stage of a Dockerfile, with what it takes over from earlier ones."""

    file: str
    base: str
    workdir: str = "/"
    env: dict[str, str] = {}
    copies: tuple[Copy, ...] = ()
    cmd: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    expose: tuple[int, ...] = ()
    user: str = ""
    dependencies: tuple[DependencyInstall, ...] = ()
    """In order; paths are those of the tree, or absolute where the file is not in it."""
    unsupported: tuple[Unsupported, ...] = ()
    files: dict[str, str] = {}
    """Path in the image to path in the tree, for every file that is copied; empty without a tree."""

    @property
    def command(self) -> tuple[str, ...]:
        """What runs: the entry point with the command as its arguments; one in shell form takes none."""
        if self.entrypoint[:2] == SHELL:
            return self.entrypoint
        return self.entrypoint + self.cmd

    @property
    def python(self) -> bool:
        """Whether it is a Python service."""
        return "python" in self.base or any(found.kind != "npm" for found in self.dependencies)

    @property
    def node(self) -> bool:
        """Whether it is a Node service."""
        name = self.base.rpartition("/")[2]
        return name.startswith("node") or any(found.kind == "npm" for found in self.dependencies)

    @property
    def language_version(self) -> str:
        """The version in the base image's tag (`python:3.12-slim`: 3.12), or nothing."""
        found = re.search(r"(?:python|node):?v?(\d+(?:\.\d+)*)", self.base)
        return found[1] if found else ""


class Stage:
    """What is known of a stage while its instructions are read."""

    def __init__(self, base: str) -> None:
        """Begin a stage from a base image."""
        self.base = base
        self.workdir = "/"
        self.env: dict[str, str] = {}
        self.arguments: dict[str, str] = {}
        self.copies: list[Copy] = []
        self.cmd: tuple[str, ...] = ()
        self.entrypoint: tuple[str, ...] = ()
        self.shell: tuple[str, ...] = SHELL
        self.expose: list[int] = []
        self.user = ""
        self.dependencies: list[DependencyInstall] = []
        self.unsupported: list[Unsupported] = []

    def variables(self) -> dict[str, str]:
        """Give what `$NAME` may stand for; ENV wins over ARG."""
        return {"PATH": _PATH, **self.arguments, **self.env}

    def child(self) -> Stage:
        """Begin a stage from this one (`FROM thisone`); arguments are not inherited."""
        new = Stage(self.base)
        for name, value in vars(self).items():
            setattr(new, name, value.copy() if isinstance(value, (list, dict)) else value)
        new.arguments = {}
        return new
