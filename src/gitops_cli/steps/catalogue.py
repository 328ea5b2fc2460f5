"""Every step by its class, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gitops_cli.steps.build import Build
from gitops_cli.steps.deploy import Deploy
from gitops_cli.steps.migrate import Migrate
from gitops_cli.steps.publish import Publish
from gitops_cli.steps.rehearse import Rehearse
from gitops_cli.steps.validate import Validate
from gitops_cli.steps.verify import Verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitops_cli.pipeline.protocol import Step
    from gitops_cli.steps.context import Context

StepClass: TypeAlias = "Callable[[Context], Step]"

__all__ = ["Build", "Deploy", "Migrate", "Publish", "Rehearse", "StepClass", "Validate", "Verify"]
