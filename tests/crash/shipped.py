"""The engine under test: the shipped package, or a copy of it with one line patched."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gitops_cli.pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path(gitops_cli.pipeline.__file__).parent


@dataclass(frozen=True)
class Engine:
    """What the sweep needs of the package `pipeline`; a copy has types of its own, hence `Any`."""

    Journal: Callable[..., Any]
    Release: Callable[..., Any]
    run: Callable[..., Any]
    recover: Callable[..., Any]


def load(package: str = "gitops_cli.pipeline") -> Engine:
    """Import a package of that name and pick its parts."""
    parts = {
        name: importlib.import_module(f"{package}.{name}")
        for name in ("journal", "model", "engine", "recover")
    }
    return Engine(
        parts["journal"].Journal, parts["model"].Release, parts["engine"].run, parts["recover"].recover
    )


def patched(folder: Path, name: str, *, file: str, old: str, new: str) -> Engine:
    """Copy the shipped package to `folder`/`name`, replace `old` by `new` once in `file`, and import it.

    Raises `AssertionError` when the shipped file does not hold `old` exactly once.
    """
    (folder / name).mkdir()
    for source in PACKAGE.glob("*.py"):
        text = source.read_text(encoding="utf-8")
        if source.name == file:
            assert text.count(old) == 1, f"{name}: {file} holds {text.count(old)} times: {old!r}"
            text = text.replace(old, new)
        text = text.replace("gitops_cli.pipeline", name)
        (folder / name / source.name).write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        return load(name)
    finally:
        sys.path.remove(str(folder))
