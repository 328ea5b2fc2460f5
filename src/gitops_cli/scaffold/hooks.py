"""The developer's own pre-push hook: installed when there is none; somebody else's is never touched."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gitops_cli.adapters.files import read_or_none, write_atomic
from gitops_cli.adapters.git.settings import CLIENT_HOOK, hook_text, import_paths

if TYPE_CHECKING:
    from gitops_cli.adapters.checkout import Checkout
    from gitops_cli.adapters.created import Created

_OURS = b"gitops_cli"
"""Every stub names the package that it starts."""


def install(checkout: Checkout, created: Created) -> tuple[bool, tuple[str, ...]]:
    """Install the hook; give whether it is new, and why not. It says early what the remote says anyway."""
    folder, chosen = checkout.hooks()
    if chosen:
        return False, (f"core.hooksPath is set to {folder}: the pre-push hook was not installed",)
    path = folder / CLIENT_HOOK
    wanted = hook_text(CLIENT_HOOK, sys.executable, import_paths())
    there = read_or_none(path)
    if there is None and not path.is_symlink():
        # after git init, or with an empty GIT_TEMPLATE_DIR, there may be no hooks folder yet
        created.write(path, wanted, 0o755)
        return True, ()
    if there is None or _OURS not in there:
        return False, (f"{path} is somebody else's hook and was left as it is; pushes work without ours",)
    if there != wanted:
        created.keep(path)
        write_atomic(path, wanted, 0o755)
    return False, ()
