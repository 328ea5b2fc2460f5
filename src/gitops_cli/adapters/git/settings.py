"""The bare repository that developers push to: its settings, its hooks, and whether they are still so."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from gitops_cli.adapters import templates
from gitops_cli.adapters.files import read_or_none, write_atomic
from gitops_cli.adapters.git import command
from gitops_cli.errors import Unavailable

SERVER_HOOKS = ("pre-receive", "proc-receive", "post-receive")
CLIENT_HOOK = "pre-push"
SETTINGS = {
    "core.bare": "true",
    "core.fsync": "committed,reference,loose-object",
    "core.fsyncMethod": "fsync",
    "core.bigFileThreshold": "8m",  # larger blobs are checked as a stream: 300 MB of zeros in 30 MB of memory
    "core.useReplaceRefs": "false",
    "core.logAllRefUpdates": "false",
    "receive.procReceiveRefs": "refs",
    "receive.fsckObjects": "true",
    "receive.fsck.badFilemode": "error",
    "receive.fsck.gitattributesSymlink": "error",
    "receive.maxInputSize": "64m",
    "receive.denyNonFastForwards": "false",  # pre-receive decides, and proc-receive's refs never ask
    "receive.denyDeletes": "false",
    "receive.denyDeleteCurrent": "ignore",
    "receive.shallowUpdate": "false",
    "receive.autogc": "false",
    "receive.unpackLimit": "1",
    "receive.hideRefs": "refs/gitops",
    "receive.advertisePushOptions": "true",
    "receive.advertiseAtomic": "true",
    "transfer.fsckObjects": "true",
    "gc.auto": "0",
    "gc.pruneExpire": "2.weeks.ago",
}
ATTRIBUTES = b"* -export-subst -export-ignore -ident -text -eol -working-tree-encoding -filter\n"


def import_paths() -> list[str]:
    """Give the folders that a hook's interpreter adds to its own: ours, then those of our dependencies.

    Hooks run with `-I -S` (a `.pth` file can cost more than the hook itself), and then an editable install
    and a virtual environment must be named.
    """
    own = str(Path(__file__).resolve().parents[3])
    found = [path for path in sys.path if path.endswith(("/site-packages", "/dist-packages"))]
    return list(dict.fromkeys([own, *map(os.path.abspath, found)]))


def hook_text(name: str, interpreter: str, paths: list[str]) -> bytes:
    """Write a stub from its template: all values are quoted for the shell."""
    entry = str(Path(__file__).resolve().parents[2] / "hooks" / "entry.py")
    text = templates.read(
        f"hooks/{name}",
        PYTHON=shlex.quote(interpreter),
        ENTRY=shlex.quote(entry),
        PATHS=shlex.quote(os.pathsep.join(paths)),
    )
    return text.encode()


def make_bare(path: Path, *, interpreter: str = sys.executable) -> list[str]:
    """Make the bare repository, or mend it; say, a line each, what changed.

    Raises `Failed`, `Unavailable`.
    """
    said = []
    place = command.Place(path)
    if not (path / "HEAD").exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        init = ["init", "-q", "--bare", "-b", "main", "--template=", "--object-format=sha1", "--"]
        command.call(place, [*init, place.repo])
        said.append(f"made {path}")
    wanted = {**SETTINGS, "core.hooksPath": str(Path(place.repo) / "hooks")}
    said += _settle(place, wanted)
    (path / "hooks").mkdir(exist_ok=True)
    (path / "info").mkdir(exist_ok=True)
    paths = import_paths()
    files = {path / "hooks" / name: hook_text(name, interpreter, paths) for name in SERVER_HOOKS}
    for file, text in files.items():
        if file.is_symlink() or read_or_none(file) != text or not os.access(file, os.X_OK):
            write_atomic(file, text, 0o755)
            file.chmod(0o755)
            said.append(f"wrote {file}")
    if read_or_none(path / "info" / "attributes") != ATTRIBUTES:
        write_atomic(path / "info" / "attributes", ATTRIBUTES, 0o644)
    return said


def _read(place: command.Place) -> dict[str, list[str]]:
    """Give the repository's own settings; keys in lower case, as git lists them."""
    done = command.call(place, ["config", "--local", "--includes", "--list", "-z"])
    found: dict[str, list[str]] = {}
    for item in done.out.decode("utf-8", "replace").split("\0"):
        key, _, value = item.partition("\n")
        found.setdefault(key, []).append(value)
    return found


def _settle(place: command.Place, wanted: dict[str, str]) -> list[str]:
    found = _read(place)
    wrong = {key: value for key, value in wanted.items() if found.get(key.lower()) != [value]}
    for key, value in wrong.items():
        command.call(place, ["config", "--local", "--replace-all", key, value])
    return [f"set {len(wrong)} settings of git"] if wrong else []


def check_settings(path: Path) -> list[str]:
    """Name each setting that is not as `make_bare` left it; git fails open without most of them."""
    place = command.Place(path)
    found = _read(place)
    wanted = {**SETTINGS, "core.hooksPath": str(Path(place.repo) / "hooks")}
    wrong = [f"{key} is not {value}" for key, value in wanted.items() if found.get(key.lower()) != [value]]
    if (path / "objects" / "info" / "alternates").exists():
        wrong.append("objects/info/alternates is there: a prune elsewhere would corrupt the repository")
    return wrong


def check_hooks(path: Path) -> list[str]:
    """Name each hook that is missing, a dangling link, not executable or changed: git skips most of these."""
    said = []
    for name in SERVER_HOOKS:
        file = path / "hooks" / name
        text = read_or_none(file)
        if text is None:
            said.append(f"the hook {name} is {'a dangling link' if file.is_symlink() else 'missing'}")
        elif not os.access(file, os.X_OK):
            said.append(f"the hook {name} is not executable")
        elif text != _as_installed(name, text):
            said.append(f"the hook {name} was changed")
    return said


def _as_installed(name: str, text: bytes) -> bytes:
    """Write the stub anew with the interpreter and folders that the installed one names."""
    values = {}
    for line in text.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition("=")
        if key in {"PYTHON", "PATHS"}:
            try:
                values[key] = "".join(shlex.split(value))
            except ValueError:
                return b""
    return hook_text(name, values.get("PYTHON", ""), values.get("PATHS", "").split(os.pathsep))


def refuse_unless_sound(path: Path) -> None:
    """Raise `Unavailable` (`remote.unsound`) unless hooks and settings are as they were made."""
    wrong = [*check_hooks(path), *check_settings(path)]
    if wrong:
        raise Unavailable(
            f"the remote is not as it was made: {'; '.join(wrong[:3])}",
            code="remote.unsound",
            next_command=f"gitops remote init {path.parent}",
        )
