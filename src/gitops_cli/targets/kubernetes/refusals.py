"""Why a plan is refused: every object that cannot be applied, each by name, in one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops_cli.adapters.kubernetes.problems import ApiProblem
    from gitops_cli.targets.kubernetes.rendering import Rendered


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One object that cannot be applied."""

    cause: str
    code: str
    file: str = ""
    line: int = 0
    next_command: str = ""

    @property
    def text(self) -> str:
        """Say it with its place and the way out."""
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}{self.cause}" + (f"; next: {self.next_command}" if self.next_command else "")


def of(rendered: Rendered, cause: str, code: str, next_command: str = "") -> Problem:
    """Name an object of the push and its file."""
    return Problem(
        cause=f"{rendered.key.title()}: {cause}",
        code=code,
        file=rendered.file,
        line=rendered.line,
        next_command=next_command,
    )


def answered(rendered: Rendered, problem: ApiProblem, *, drifted: bool = False) -> Problem:
    """Say what the server said of an object; `drifted`: the last release had applied it."""
    if problem.conflicts:
        return _conflict(rendered, problem, drifted=drifted)
    if problem.denied:
        return of(rendered, problem.denied_sentence, problem.code)
    if problem.is_terminating:
        return of(rendered, f"the namespace {rendered.key.namespace} is being deleted", problem.code)
    if problem.is_missing and "namespaces" in problem.message:
        name = rendered.key.namespace
        cause = f"the namespace {name} is missing"
        return of(rendered, cause, "kubernetes.no-namespace", f"kubectl create namespace {name}")
    return of(rendered, " ".join(problem.message.split()) or problem.reason, problem.code)


def _conflict(rendered: Rendered, problem: ApiProblem, *, drifted: bool) -> Problem:
    owners: dict[str, list[str]] = {}
    for cause in problem.conflicts:
        owners.setdefault(cause.manager, []).append(cause.field.lstrip("."))
    told = " and ".join(
        f"{', '.join(fields)} belong{'s'[: len(fields) == 1]} to {manager}"
        for manager, fields in owners.items()
    )
    first = problem.conflicts[0].field.lstrip(".")
    allowed = f"{rendered.key.kind}/{first}"
    way = "let the operator take it back (gitops recover), " if drifted else ""
    way += f"leave it out of the manifest, or let the operator allow it: policy.force [{allowed}]"
    return of(rendered, told, "kubernetes.conflict", way)


def refuse(problems: Sequence[Problem]) -> None:
    """Refuse if there is any problem, and name all of them. Raises `Refused`."""
    if problems:
        first, *others = problems
        raise Refused(
            first.cause,
            code=first.code,
            file=first.file,
            line=first.line,
            next_command=first.next_command,
            also=tuple(problem.text for problem in others),
        )
