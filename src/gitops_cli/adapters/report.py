"""A ready report of a bug of ours: a file in the temporary folder, with no secret in it."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import traceback

from gitops_cli import __version__

_CREDENTIALS = re.compile(r"(\w+://)[^/@\s]+@")


def write_report(command: str, error: BaseException) -> str:
    """Write the report and give its path (mode 0600: a traceback may name private paths)."""
    text = "\n".join(
        [
            f"gitops {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: gitops {command}",
            f"arguments: {len(sys.argv) - 1}",
            "",
            *traceback.format_exception(error),
        ]
    )
    descriptor, path = tempfile.mkstemp(prefix="gitops-report-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(_CREDENTIALS.sub(r"\1***@", text))
    return path
