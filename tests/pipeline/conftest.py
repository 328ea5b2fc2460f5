"""Programs that a test of the pipeline runs beside itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[2]
ENV = {
    "PATH": os.defpath,
    "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
}


@pytest.fixture(scope="session")
def victim() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs `victim.py` with arguments, under another program if one is given."""

    def run(
        *arguments: object, under: Sequence[str] = (), code: str = ""
    ) -> subprocess.CompletedProcess[str]:
        program = "from tests.pipeline import victim; victim.main()"
        argv = [*under, sys.executable, "-c", f"{code}\n{program}", *map(str, arguments)]
        return subprocess.run(argv, env=ENV, check=False, capture_output=True, text=True, timeout=120)

    return run
