"""Whether strace is here and may trace: with it a test decides at which call a program dies."""

from __future__ import annotations

import shutil
import subprocess


def traces() -> bool:
    """Trace something that does nothing."""
    if shutil.which("strace") is None:
        return False
    argv = ["strace", "-o", "/dev/null", "true"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
