"""The installers' command lines: pip, uv and npm with the operator's own index settings."""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters import processes
from gitops_cli.errors import GitopsError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitops_cli.config.dockerfile_run import DependencyInstall
    from gitops_cli.targets.local.dependencies import Plan

_SETTING = re.compile(r"^[a-z:]+\.([a-z-]+)=(.*)$")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_NOT_OURS = (
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PIP_PYTHON",
    "PIP_CACHE_DIR",
    "PIP_REQUIRE_VIRTUALENV",
)
"""Settings that would lead an installation elsewhere."""
_NPM_SETTINGS = ("registry", "cafile", "proxy", "https-proxy", "noproxy", "strict-ssl")
SETTINGS_SECONDS = 30.0


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command of an installation."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    read: tuple[str, ...] = ()


def refuse(plan: Plan) -> None:
    """Refuse what this machine has no installer for. Raises `Refused`."""
    if plan.kind == "node" and shutil.which("npm") is None:
        raise Refused(
            "the service is made with Node, and this machine has no npm",
            code="local.no-npm",
            next_command="install Node and npm on the remote's machine",
        )


def remarks(plan: Plan) -> Iterable[str]:
    """Say what will be different from the image."""
    if plan.kind == "python" and plan.version:
        ours = platform.python_version().split(".")
        if plan.version.split(".") != ours[: len(plan.version.split("."))]:
            yield f"the Dockerfile says Python {plan.version}, this machine has {platform.python_version()}"


def count(place: Path, plan: Plan) -> str:
    """Say how much there is."""
    pattern = (
        "lib/python*/site-packages/*.dist-info" if plan.kind == "python" else "node_modules/*/package.json"
    )
    number = len(list(place.glob(pattern)))
    return f"{number} package{'s'[: number != 1]} installed"


def why(tail: Sequence[str]) -> str:
    """Pick the line of an installer's last ones that says most."""
    telling = [line for line in tail if line.strip() and not line.startswith("npm error code")]
    for start in ("ERROR: No matching", "ERROR: Could not", "error: ", "ERROR: ", "npm error", "npm ERR!"):
        found = next((line for line in telling if line.startswith(start)), None)
        if found:
            return found
    return telling[-1] if telling else "it said nothing"


def commands(plan: Plan, place: Path, source: Path) -> Iterable[Command]:
    """Give the commands that fill `place` from the tree in `source`."""
    if plan.kind == "node":
        for install in plan.installs:
            yield from _npm(install, place, source)
        return
    python = str(place / "bin" / "python")
    base = str(sys._base_executable)  # type: ignore[attr-defined]  # noqa: SLF001 - gitops may run in a venv
    yield Command(argv=(base, "-I", "-m", "venv", "--without-pip", "--symlinks", str(place)), env={}, cwd="/")
    if not plan.installs:
        return
    env = _pip_settings()
    read = tuple(_paths(env.values()))
    for install in plan.installs:
        if install.kind == "npm":
            continue
        maker = _uv if install.kind == "uv-sync" else _pip
        for command in maker(install, plan, source, python):
            yield msgspec.structs.replace(command, env={**env, **command.env}, read=(*command.read, *read))


def _pip(install: DependencyInstall, plan: Plan, source: Path, python: str) -> Iterable[Command]:
    argv = [*_pip_program(python), "install", "--no-input", "--no-cache-dir", "--progress-bar=off"]
    for name in install.requirements:
        argv += ["-r", str(source / name)]
    for name in install.constraints:
        argv += ["-c", str(source / name)]
    argv += [*install.options, *install.packages]
    argv += [str(source / project) for project in install.projects]
    yield Command(argv=tuple(argv), env={}, cwd=str(source / plan.context), read=tuple(_pip_home()))


def _pip_program(python: str) -> list[str]:
    """Give the pip that this machine has, told to install for another interpreter."""
    base = str(sys._base_executable)  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    if any((folder / "pip").is_dir() for folder in _base_packages()):
        return [base, "-I", "-m", "pip", *_for(python)]
    if Path(sysconfig.get_path("purelib"), "pip").is_dir():
        return [sys.executable, "-I", "-m", "pip", *_for(python)]
    for wheel in _bundled():
        return [python or base, "-I", f"{wheel}/pip"]
    raise Refused(
        "this machine's Python has no pip, so no dependencies can be installed",
        code="local.no-pip",
        next_command=f"{base} -m ensurepip, or install python3-pip",
    )


def _for(python: str) -> list[str]:
    return ["--python", python] if python else []


def _base_packages() -> list[Path]:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [
        Path(sys.base_prefix, "lib", name, "site-packages"),
        Path(sys.base_prefix, "local", "lib", name, "dist-packages"),
        Path(sys.base_prefix, "lib", "python3", "dist-packages"),
    ]


def _bundled() -> list[Path]:
    stdlib = Path(sysconfig.get_path("stdlib"))
    found = [
        *stdlib.glob("ensurepip/_bundled/pip-*.whl"),
        *Path("/usr/share/python-wheels").glob("pip-*.whl"),
    ]
    return sorted(found)[-1:]


def _pip_home() -> list[str]:
    return [str(wheel) for wheel in _bundled()]


def _uv(install: DependencyInstall, _plan: Plan, source: Path, python: str) -> Iterable[Command]:
    """Let uv install from its own lock file; uv itself is a package where the machine has none."""
    place = Path(python).parents[1]
    program = shutil.which("uv")
    read: list[str] = [program] if program else []
    if program is None:
        program = str(source / ".gitops-uv" / "bin" / "uv")
        argv = [
            *_pip_program(python),
            "install",
            "--no-cache-dir",
            "--target",
            str(source / ".gitops-uv"),
            "uv",
        ]
        yield Command(argv=tuple(argv), env={}, cwd=str(source), read=tuple(_pip_home()))
    settings = _pip_settings()
    env = {
        "UV_PROJECT_ENVIRONMENT": str(place),
        "UV_PYTHON": python,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_CACHE": "1",
        "UV_LINK_MODE": "copy",
    }
    for ours, theirs in (
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_FIND_LINKS", "UV_FIND_LINKS"),
        ("PIP_CERT", "SSL_CERT_FILE"),
    ):
        if settings.get(ours):
            env[theirs] = settings[ours]
    for project in install.projects:
        options = [*install.options, *([] if "--no-editable" in install.options else ["--no-editable"])]
        yield Command(
            argv=(program, "sync", *options),
            env=env,
            cwd=str(source / project.partition("[")[0]),
            read=tuple(read),
        )


def _npm(install: DependencyInstall, place: Path, source: Path) -> Iterable[Command]:
    """Install beside the package's own files (it may name some of them), then keep the modules alone."""
    env = _npm_settings()
    path = f"{Path(shutil.which('npm') or '/usr/bin/npm').parent}:/usr/local/bin:/usr/bin:/bin"
    for project in install.projects:
        word, *options = install.options
        yield Command(
            argv=("npm", word, *options, "--no-audit", "--no-fund"),
            env={"PATH": path, **env},
            cwd=str(source / project),
            read=tuple(_paths(env.values())),
        )
        move = 'mkdir -p node_modules && exec mv node_modules "$0"'
        yield Command(argv=("/bin/sh", "-c", move, str(place)), env={"PATH": path}, cwd=str(source / project))


def _pip_settings() -> dict[str, str]:
    """Give the operator's settings of pip as variables: its files are not seen in the cage."""
    own = {n: v for n, v in os.environ.items() if n.startswith("PIP_")}
    env = processes.clean_env({**own, "HOME": os.environ.get("HOME", "/nonexistent")})
    found: dict[str, str] = {}
    try:
        listed = processes.run([*_pip_program(""), "config", "list"], env=env, timeout=SETTINGS_SECONDS).out
    except GitopsError:  # pip has no settings then but those of our own environment
        listed = b""
    for line in listed.decode("utf-8", "replace").splitlines():
        match = _SETTING.match(line)
        if match:
            found[f"PIP_{match[1].replace('-', '_').upper()}"] = _value(match[2])
    found |= own
    for name in _NOT_OURS:
        found.pop(name, None)
    return {
        "PATH": processes.clean_env()["PATH"],
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **_proxies(),
        **found,
    }


def _value(text: str) -> str:
    try:
        return " ".join(str(ast.literal_eval(text)).split())
    except (ValueError, SyntaxError):
        return text


def _proxies() -> dict[str, str]:
    return {n: v for n, v in os.environ.items() if n.upper() in _PROXIES}


def _npm_settings() -> dict[str, str]:
    env = processes.clean_env({"HOME": os.environ.get("HOME", "/nonexistent")})
    found = _proxies()
    for name in _NPM_SETTINGS:
        asked = processes.run(["npm", "config", "get", name], env=env, timeout=SETTINGS_SECONDS)
        value = asked.out.decode("utf-8", "replace").strip()
        if asked.code == 0 and value not in {"", "null", "undefined"}:
            found[f"NPM_CONFIG_{name.replace('-', '_').upper()}"] = value
    return found


def _paths(values: Iterable[str]) -> Iterable[str]:
    """Name the files and folders that settings speak of."""
    for value in values:
        for word in value.split():
            path = word.removeprefix("file://")
            if path.startswith("/") and ":" not in path and Path(path).exists():
                yield path
