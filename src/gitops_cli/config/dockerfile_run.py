"""What RUN lines install, as far as it can be done without containers: Python and Node dependencies.

Everything else is handed back as text, so that a target without containers can refuse it by name.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["pip", "uv-sync", "npm"]


class DependencyInstall(msgspec.Struct, frozen=True, kw_only=True):
    """One installation. Paths are as in the image; `Dockerfile.dependencies` has them as in the tree."""

    kind: Kind
    line: int
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    """Folders with a pyproject.toml or package.json, perhaps with extras: `/app[prod]`."""
    options: tuple[str, ...] = ()
    """Options to hand on to the installer."""


class Unsupported(msgspec.Struct, frozen=True):
    """An instruction that a target without containers cannot do."""

    line: int
    text: str


class Ran(msgspec.Struct, frozen=True):
    """What one RUN line comes to."""

    installs: tuple[DependencyInstall, ...] = ()
    unsupported: bool = False


_HARMLESS = frozenset(
    {
        "useradd",
        "adduser",
        "groupadd",
        "addgroup",
        "usermod",
        "mkdir",
        "chown",
        "chmod",
        "true",
        ":",
        "set",
        "echo",
        "corepack",
        "compileall",
        "venv",
    }
)
_REMOVABLE = re.compile(r"^-|^/(var|tmp|root/\.cache|usr/share/(doc|man))(/|$)")
_TOOLS = re.compile(r"^(pip|setuptools|wheel|uv|pip-tools)([=<>~!].*)?$")
_PIP = re.compile(r"^(?:/[\w./-]*/)?pip[\d.]*$")
_UV = re.compile(r"^(?:/[\w./-]*/)?uv$")
_PIP_HARMLESS = (["cache"], ["--version"], ["check"], ["list"])
_PYTHON = re.compile(r"^(?:/[\w./-]*/)?python[\d.]*$")
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=[^$`]*$")
_PROJECT = re.compile(r"^(\.{0,2}/?[\w./-]*?)(\[[\w,\s-]+\])?$")
_PACKAGE = re.compile(r"^[A-Za-z0-9][\w.-]*(\[[\w,\s.-]+\])?\s*([=<>~!]=?.*)?(;.*)?$")

_SILENT = frozenset(
    {
        "--no-cache-dir",
        "--no-cache",
        "-q",
        "--quiet",
        "-v",
        "--verbose",
        "-U",
        "--upgrade",
        "--user",
        "--disable-pip-version-check",
        "--no-input",
        "--no-compile",
        "--compile",
        "--compile-bytecode",
        "--root-user-action",
        "--break-system-packages",
        "--system",
        "--prefix",
        "--no-warn-script-location",
        "--progress-bar",
        "--link-mode",
        "--cache-dir",
        "--retries",
        "--timeout",
        "--default-timeout",
        "--ignore-installed",
        "-I",
        "--force-reinstall",
        "--python",
        "--upgrade-strategy",
    }
)
"""Options that change nothing of what is installed, here."""
_SILENT_WITH_VALUE = frozenset(
    {
        "--root-user-action",
        "--prefix",
        "--progress-bar",
        "--link-mode",
        "--cache-dir",
        "--retries",
        "--timeout",
        "--default-timeout",
        "--python",
        "--upgrade-strategy",
    }
)
_KEPT = frozenset({"--no-deps", "--pre", "--require-hashes", "--prefer-binary"})
_KEPT_WITH_VALUE = frozenset(
    {
        "-i",
        "--index-url",
        "--extra-index-url",
        "-f",
        "--find-links",
        "--trusted-host",
        "--no-binary",
        "--only-binary",
    }
)
_UV_SYNC = frozenset(
    {
        "--frozen",
        "--locked",
        "--no-dev",
        "--no-install-project",
        "--no-install-workspace",
        "--all-extras",
        "--no-default-groups",
        "--no-editable",
    }
)
_UV_SYNC_WITH_VALUE = frozenset({"--extra", "--group", "--no-group", "--package", "--only-group"})
_NPM = frozenset(
    {
        "--omit=dev",
        "--only=production",
        "--only=prod",
        "--production",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--legacy-peer-deps",
        "--include=dev",
        "--silent",
        "--quiet",
        "--no-progress",
        "--prefer-offline",
        "--no-optional",
        "--omit=optional",
    }
)


def understand(text: str, workdir: str, line: int) -> Ran:
    """Read the commands of a shell-form RUN line that has no options any more."""
    commands = _commands(text)
    if commands is None:
        return Ran(unsupported=True)
    installs: list[DependencyInstall] = []
    for command in commands:
        if command[0] == "cd" and len(command) == 2:  # noqa: PLR2004 - cd and the folder
            workdir = posixpath.join(workdir, command[1])
            continue
        found = _command(command, workdir, line)
        if found is None:
            return Ran(tuple(installs), unsupported=True)
        installs.extend(found)
    return Ran(tuple(installs))


def _commands(text: str) -> list[list[str]] | None:
    """Split at `&&`, `||` and `;`; None for anything else that a shell would interpret."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    try:
        for token in lexer:
            if token in {"&&", "||", ";"}:
                commands.append([])
            elif set(token) <= set("();<>|&") or "$(" in token or "`" in token:
                return None
            else:
                commands[-1].append(token)
    except ValueError:
        return None
    for command in commands:
        while command and _ASSIGNMENT.match(command[0]):
            del command[0]
    return [command for command in commands if command]


def _command(command: Sequence[str], workdir: str, line: int) -> list[DependencyInstall] | None:
    """Give what one command installs; an empty list if it is harmless, None if it cannot be done."""
    name, rest = command[0], list(command[1:])
    if _PYTHON.match(name) and rest[:1] == ["-m"]:
        name, rest = (rest[1:2] or [""])[0], rest[2:]
    if name in _HARMLESS or (name == "rm" and all(_REMOVABLE.match(part) for part in rest)):
        return []
    if name == "npm":
        return _npm(rest, workdir, line)
    if _UV.match(name):
        return _uv(rest, workdir, line)
    if not _PIP.match(name):
        return None
    if rest[:1] == ["install"]:
        return _pip(rest[1:], workdir, line)
    return [] if rest[:1] in _PIP_HARMLESS else None


def _uv(rest: list[str], workdir: str, line: int) -> list[DependencyInstall] | None:
    """Read `uv sync`, `uv pip install`, `uv pip sync`, `uv venv`."""
    if rest[:1] == ["sync"]:
        return _uv_sync(rest[1:], workdir, line)
    if rest[:2] == ["pip", "install"]:
        return _pip(rest[2:], workdir, line)
    if rest[:2] == ["pip", "sync"]:
        files = [part for name in rest[2:] for part in ((name,) if name.startswith("-") else ("-r", name))]
        return _pip(files, workdir, line)
    return [] if rest[:1] == ["venv"] else None


def _pip(arguments: list[str], workdir: str, line: int) -> list[DependencyInstall] | None:
    """Read the arguments of `pip install`."""
    found: dict[str, list[str]] = {"-r": [], "-c": [], "package": [], "project": [], "option": []}
    rest = iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if not argument.startswith("-"):
            if not _take_package(argument, workdir, found):
                return None
            continue
        if argument[:2] in {"-r", "-c"} and len(argument) > 2:  # noqa: PLR2004 - the joined form: -rFILE
            name, value = argument[:2], argument[2:]
        name = {"--requirement": "-r", "--requirements": "-r", "--constraint": "-c", "--editable": "-e"}.get(
            name, name
        )
        wants = name in {"-r", "-c", "-e"} | _SILENT_WITH_VALUE | _KEPT_WITH_VALUE
        if wants and not value:
            value = next(rest, "")
        if not _take_option(name, value, workdir, found):
            return None
    packages = [name for name in found["package"] if not _TOOLS.match(name)]
    if not (packages or found["-r"] or found["project"]):
        return []
    return [
        DependencyInstall(
            kind="pip",
            line=line,
            requirements=tuple(found["-r"]),
            constraints=tuple(found["-c"]),
            packages=tuple(packages),
            projects=tuple(found["project"]),
            options=tuple(found["option"]),
        )
    ]


def _take_option(name: str, value: str, workdir: str, found: dict[str, list[str]]) -> bool:
    if name in {"-r", "-c"}:
        if not value or "://" in value or "$" in value:
            return False
        found[name].append(posixpath.normpath(posixpath.join(workdir, value)))
        return True
    if name == "-e":
        return _take_package(value, workdir, found) and not found["package"]
    if name in _KEPT:
        found["option"].append(name)
    elif name in _KEPT_WITH_VALUE and value and "$" not in value:
        found["option"].extend((name, value))
    else:
        return name in _SILENT
    return True


def _take_package(text: str, workdir: str, found: dict[str, list[str]]) -> bool:
    if text.startswith((".", "/")):
        match = _PROJECT.match(text)
        if match is None or text.endswith((".whl", ".gz", ".zip")):
            return False
        folder = posixpath.normpath(posixpath.join(workdir, match[1]))
        found["project"].append(folder + (match[2] or ""))
        return True
    if not _PACKAGE.match(text) or "://" in text or "$" in text:
        return False
    found["package"].append(text)
    return True


def _uv_sync(arguments: list[str], workdir: str, line: int) -> list[DependencyInstall] | None:
    options: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if name in _UV_SYNC_WITH_VALUE:
            options.extend((name, value or next(rest, "")))
        elif argument in _UV_SYNC:
            options.append(argument)
        elif name in _SILENT_WITH_VALUE:
            value = value or next(rest, "")
        elif name not in _SILENT:
            return None
    return [DependencyInstall(kind="uv-sync", line=line, projects=(workdir,), options=tuple(options))]


def _npm(arguments: list[str], workdir: str, line: int) -> list[DependencyInstall] | None:
    if arguments[:2] == ["cache", "clean"] or arguments[:2] == ["config", "set"]:
        return []
    if arguments[:1] not in (["ci"], ["install"], ["i"], ["clean-install"]):
        return None
    if any(argument not in _NPM for argument in arguments[1:]):
        return None
    name = "ci" if arguments[0] in {"ci", "clean-install"} else "install"
    return [DependencyInstall(kind="npm", line=line, projects=(workdir,), options=(name, *arguments[1:]))]
