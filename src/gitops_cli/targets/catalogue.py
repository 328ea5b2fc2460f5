"""Which targets there are. A target's modules are loaded only when an environment is bound to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitops_cli.adapters.git.repo import Repo
    from gitops_cli.adapters.home import Home
    from gitops_cli.adapters.sandbox import Level
    from gitops_cli.config.remote import Environment
    from gitops_cli.targets.protocol import Target


def make_target(home: Home, environment: Environment, repo: Repo, level: Level) -> Target:
    """Make the target that an environment is bound to."""
    at = environment.kubernetes
    if at is not None:
        from gitops_cli.targets.kubernetes.target import KubernetesTarget  # noqa: PLC0415 - as below

        return KubernetesTarget(home, environment, at)
    from gitops_cli.targets.local import LocalTarget  # noqa: PLC0415 - loaded by releases that need it

    return LocalTarget(
        home,
        environment.name,
        repo=repo,
        level=level,
        rollout_timeout=float(environment.timeouts.rollout),
    )
