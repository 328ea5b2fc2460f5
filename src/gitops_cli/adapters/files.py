"""Files that must survive a crash, and folders that only we may read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def fsync_dir(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file as a whole: a reader, and a crash, sees the old bytes or the new ones."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_dir(path.parent)


def private_dir(path: Path) -> Path:
    """Make a folder, and the missing ones above it, that only we may enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def read_or_none(path: Path) -> bytes | None:
    """Give a file's bytes, or None when there is no such file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_tree(path: Path) -> None:
    """Remove a folder and everything in it, read-only folders included; a missing one is fine."""

    def force(_function: object, name: str, _info: object) -> None:
        Path(name).parent.chmod(0o700)
        Path(name).unlink(missing_ok=True) if not Path(name).is_dir() else shutil.rmtree(
            name, ignore_errors=True
        )

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=force)
    else:
        path.unlink(missing_ok=True)
