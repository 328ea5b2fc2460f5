"""Run by `start` as `python -I -S .../inside DESCRIPTOR`: nothing but what the launcher needs is imported."""

from __future__ import annotations

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs 5 ms
_NAME = "gitops_cli.adapters.sandbox.inside"


def _stand_in() -> None:
    """Name our packages without running their `__init__`: those import what only the starter needs."""
    name, folder = _NAME, _HERE
    while name:
        module = type(sys)(name)
        module.__path__ = [folder]
        sys.modules[name] = module
        name, folder = name.rpartition(".")[0], os.path.dirname(folder)  # noqa: PTH120


if __name__ == "__main__":
    _stand_in()
    from gitops_cli.adapters.sandbox.inside import launcher

    os._exit(launcher.main(int(sys.argv[1])))
