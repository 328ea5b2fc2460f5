"""`jobs:` and `checks:` of gitops.yaml, run by the target with the new version's own code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gitops_cli.targets.protocol import Task

if TYPE_CHECKING:
    from gitops_cli.pipeline.protocol import Record
    from gitops_cli.steps.context import Context
    from gitops_cli.targets.protocol import AppSet


def run_jobs(
    context: Context, wanted: AppSet, when: Literal["before-deploy", "after-deploy"], record: Record
) -> None:
    """Run the jobs of one moment in the order of the file. Raises `Failed` at the first that fails."""
    for name, job in wanted.project.jobs.items():
        if job.when == when:
            context.watch.says(f"job {name}")
            task = Task(
                name=name,
                service=job.service,
                command=job.command,
                timeout=allowed_seconds(context, job.timeout_seconds),
            )
            context.target.run(task, wanted, record, context.watch)


def allowed_seconds(context: Context, wanted: float) -> float:
    """Cut what gitops.yaml asks for to what remote.yaml allows: the lock is held meanwhile."""
    return min(wanted, float(context.environment.timeouts.job))


def run_checks(context: Context, wanted: AppSet, record: Record) -> int:
    """Run every check that is a command; give how many. Raises `Failed` at the first that fails."""
    commands = {name: check for name, check in wanted.project.checks.items() if check.command}
    for name, check in commands.items():
        task = Task(
            name=name,
            service=check.service,
            command=check.command,
            timeout=allowed_seconds(context, check.timeout_seconds),
        )
        context.target.run(task, wanted, record, context.watch)
    return len(commands)
