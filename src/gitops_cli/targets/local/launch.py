"""Start one command with a container's files and environment, in its cage."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gitops_cli.adapters import processes, sandbox
from gitops_cli.targets.local.environment import environment, expand

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from gitops_cli.targets.local.environment import Secrets
    from gitops_cli.targets.local.inventory import ContainerSpec

LIMITS = sandbox.Limits(processes=512, open_files=8192, file_size=1 << 30, tmpfs=1 << 29)
_PATHS = re.compile(r"(?<![\w./-])/[\w./-]+")


class Place:
    """Where the processes of an environment run."""

    def __init__(self, level: sandbox.Level, *, hide: Path, uid: int | None) -> None:
        """`hide`: the remote's folder; `uid`: the environment's own, at level `uid`."""
        self.level = level
        self.hide = hide
        self.uid = uid

    def start(
        self, spec: ContainerSpec, argv: Sequence[str], *, env: Mapping[str, str], stdout: int
    ) -> subprocess.Popen[bytes]:
        """Start it; errors go where its output goes. Raises `Unavailable`."""
        read = [path for path in (spec.view, spec.dependencies) if path]
        cage = sandbox.Cage(
            level=self.level,
            read=tuple(read),
            show=tuple((f"{spec.view}{path}", path) for path in self._shown(spec)),
            hide=(self.hide,),
            network=True,
            limits=LIMITS,
            uid=self.uid,
        )
        return sandbox.start(
            cage,
            argv,
            env=env,
            cwd=self._folder(spec),
            stdout=stdout,
            stderr=processes.STDOUT,
        )

    def _shown(self, spec: ContainerSpec) -> tuple[str, ...]:
        """Name the image's folders that stand under their own paths."""
        return tuple(path for path in spec.mounts if mountable(path)) if self.level.namespaced else ()

    def _folder(self, spec: ContainerSpec) -> str:
        if self._seen(spec, spec.cwd):
            return spec.cwd
        inside = Path(f"{spec.view}/{spec.cwd}")
        return str(inside) if inside.is_dir() else spec.view

    def _seen(self, spec: ContainerSpec, path: str) -> bool:
        return any(path == seen or path.startswith(seen + "/") for seen in self._shown(spec))

    def outside(self, spec: ContainerSpec, text: str) -> str:
        """Replace paths of the image that do not stand under their own name by where they really are."""

        def real(found: re.Match[str]) -> str:
            path = found[0].rstrip("/") or "/"
            own = any(path == m or path.startswith(m + "/") for m in spec.mounts)
            if self._seen(spec, path) or not (own or Path(f"{spec.view}{path}").is_file()):
                return found[0]
            return spec.view + found[0]

        return _PATHS.sub(real, text) if "/" in text else text


def mountable(path: str) -> bool:
    """Say whether a folder can be made at this path: the machine's own ones are read-only."""
    return not path.startswith(
        ("/usr/", "/bin/", "/sbin/", "/lib", "/proc/", "/dev/", "/etc/", "/nix/", "/gnu/")
    )


def search_path(spec: ContainerSpec) -> list[str]:
    """Name the folders in which a command is looked up before the system's."""
    found = (
        [f"{spec.dependencies}/bin", f"{spec.dependencies}/node_modules/.bin"] if spec.dependencies else []
    )
    return [path for path in found if Path(path).is_dir()] + [str(Path(sys.base_prefix) / "bin")]


def launch(  # noqa: PLR0913 - all but the first three by name
    place: Place,
    spec: ContainerSpec,
    argv: Sequence[str],
    *,
    real: Mapping[int, int],
    secrets: Secrets,
    pod: str,
    services: Mapping[str, str],
    stdout: int,
) -> subprocess.Popen[bytes]:
    """Start a command of a container: secrets are read now, `$(NAME)` is replaced. Raises `GitopsError`."""
    given = tuple(replace(v, value=place.outside(spec, v.value)) if v.value else v for v in spec.env)
    spec = replace(spec, env=given)  # before `$(NAME)` is replaced: no value of a secret is ever changed
    words = [place.outside(spec, word) for word in argv]
    env = environment(spec, secrets, real, pod=pod, services=services, path=search_path(spec))
    return place.start(spec, [expand(word, env) for word in words], env=env, stdout=stdout)
