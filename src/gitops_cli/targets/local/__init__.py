"""The embedded target: the PodSpec's containers as supervised processes of this machine."""

from __future__ import annotations

from gitops_cli.targets.local.target import LocalTarget

__all__ = ["LocalTarget"]
