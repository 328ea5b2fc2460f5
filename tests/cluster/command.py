"""kubectl, for set-up that is easier said with it than with a request."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.cluster.build import programs

if TYPE_CHECKING:
    from pathlib import Path


def kubectl(config: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as the user of a kubeconfig; give what it prints. Raises when it fails."""
    done = subprocess.run(
        [programs() / "kubectl", "--kubeconfig", config, *arguments],
        input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout
