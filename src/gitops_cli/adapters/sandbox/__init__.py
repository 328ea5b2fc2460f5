"""Run pushed code where it sees and reaches nothing of the operator's: `docs/explanation/sandbox.md`.

- `probe()`: which level works here
- `Cage(level=..., read=...)`: what the command sees
- `start(cage, argv, ...)`: start it; the process that comes back takes everything down with it
"""

from __future__ import annotations

from gitops_cli.adapters.sandbox.levels import Cage, Level, Limits, Probe, uid_for
from gitops_cli.adapters.sandbox.probing import probe
from gitops_cli.adapters.sandbox.starting import start

__all__ = ["Cage", "Level", "Limits", "Probe", "probe", "start", "uid_for"]
