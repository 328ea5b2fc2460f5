"""What a crash leaves in the git directory: lock files, quarantines, ref files without content.

git never removes its own stale locks: 15 of 73 kill points left one that blocked every later push.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.adapters.files import read_or_none, remove_tree
from gitops_cli.adapters.git.names import is_oid
from gitops_cli.adapters.text import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.adapters.git.refs import RefLock
    from gitops_cli.adapters.git.repo import Repo

_LOCKS = ("HEAD.lock", "packed-refs.lock", "packed-refs.new", "config.lock", "shallow.lock")
"""`packed-refs.new` is what git writes under `packed-refs.lock`; it makes it only where there is none."""
_QUARANTINES = ("tmp_objdir-*", "incoming-*")


def clear_stale(repo: Repo, lock: RefLock) -> list[str]:
    """Remove git's lock files and dead pushes' quarantines; say, a line each, what was removed.

    Only who holds `lock` may judge them stale: every ref write of ours holds it, and update-ref inherits it.
    A quarantine goes only while no `receive-pack` works in this repository.
    """
    _ = lock.fd  # raises when it is not held
    top = Path(repo.place.repo)
    said = []
    for path in [*(top / name for name in _LOCKS), *_ref_locks(top)]:
        if path.is_file():
            path.unlink(missing_ok=True)
            said.append(f"removed a stale lock: {safe(str(path.relative_to(top)))}")
    leftovers = [path for pattern in _QUARANTINES for path in (top / "objects").glob(pattern)]
    if leftovers and repo.place.quarantine is None and not _receiving(top):
        for path in leftovers:
            remove_tree(path)
            said.append(f"removed what a dead push had sent: {safe(path.name)}")
    return said


def broken_refs(repo: Repo) -> list[str]:
    """Name every ref whose file holds no object id: a power cut can leave it empty, and no push passes.

    It needs no lock: a ref that is deleted meanwhile is not damaged.
    """
    top = Path(repo.place.repo)
    found = []
    for path in _ref_files(top):
        if path.suffix != ".lock" and (data := read_or_none(path)) is not None:
            held = data[:256].decode("ascii", "replace").strip()
            if not is_oid(held) and not held.startswith("ref: "):
                found.append(str(path.relative_to(top)))
    return sorted(found)


def _ref_files(top: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(top / "refs"):
        for name in names:
            yield Path(folder, name)


def _ref_locks(top: Path) -> list[Path]:
    return [path for path in _ref_files(top) if path.suffix == ".lock"]


def _receiving(top: Path) -> bool:
    """Say whether a `git receive-pack` other than the one that started us works in this repository."""
    above = set(_ancestors())
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough
        if not name.isdigit() or int(name) in above:
            continue
        try:
            words = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if _receives(words) and _works_in(name, words, top):
            return True
    return False


def _receives(words: list[bytes]) -> bool:
    """Say whether it is receive-pack itself, not a shell or wrapper that started it."""
    program = words[0].rpartition(b"/")[2]
    return program == b"git-receive-pack" or (program == b"git" and words[1:2] == [b"receive-pack"])


def _works_in(name: str, words: list[bytes], top: Path) -> bool:
    try:
        return Path(f"/proc/{name}/cwd").readlink() == top.resolve()
    except FileNotFoundError:  # it has ended
        return False
    except OSError:  # somebody else's process: it may be in here unless it names another place
        said = os.fsdecode(next((word for word in reversed(words) if word), b""))
        return not said.startswith("/") or Path(said).resolve() == top.resolve()


def _ancestors() -> Iterator[int]:
    pid = os.getpid()
    while pid > 1:
        yield pid
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
        except OSError:
            return
