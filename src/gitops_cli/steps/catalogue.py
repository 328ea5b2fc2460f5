"""Every step by its class, in one place."""

from __future__ import annotations

from gitops_cli.steps.build import Build
from gitops_cli.steps.deploy import Deploy
from gitops_cli.steps.migrate import Migrate
from gitops_cli.steps.publish import Publish
from gitops_cli.steps.rehearse import Rehearse
from gitops_cli.steps.validate import Validate
from gitops_cli.steps.verify import Verify

__all__ = ["Build", "Deploy", "Migrate", "Publish", "Rehearse", "Validate", "Verify"]
