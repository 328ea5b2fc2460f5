"""What a dry run's answer means for an object: created, changed, created anew, as it should be, refused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from gitops_cli.adapters.kubernetes.client import seen_of
from gitops_cli.adapters.kubernetes.problems import ApiProblem
from gitops_cli.errors import GitopsError
from gitops_cli.targets.kubernetes import recreate, refusals
from gitops_cli.targets.kubernetes.ledger import Row, row_of
from gitops_cli.targets.kubernetes.planned import Action
from gitops_cli.targets.kubernetes.refusals import Problem
from gitops_cli.targets.kubernetes.rendering import HASH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitops_cli.adapters.kubernetes.objects import Key, Seen
    from gitops_cli.adapters.kubernetes.problems import Cause
    from gitops_cli.targets.kubernetes.cluster import Cluster
    from gitops_cli.targets.kubernetes.ledger import Ledger
    from gitops_cli.targets.kubernetes.rendering import Rendered

Verdict: TypeAlias = Action | Problem | Row


@dataclass(frozen=True)
class Judge:
    """Asks the server about objects, and knows what is known without asking."""

    cluster: Cluster
    live: Mapping[Key, Seen]
    ledger: Ledger
    serving: frozenset[Key]
    options: tuple[str, ...]
    healing: bool = False
    """Whether fields are taken back that were ours when the last release had applied the same object."""

    def verdicts(self, asked: Sequence[Rendered]) -> list[Verdict]:
        """Give a verdict for each, in their order. Raises `GitopsError` when the server cannot be asked."""
        answers = self._ask([partial(self._apply, one) for one in asked])
        again = {
            place: call
            for place, (one, answer) in enumerate(zip(asked, answers, strict=True))
            if isinstance(answer, ApiProblem) and (call := self._second(one, answer)) is not None
        }
        seconds = dict(zip(again, self._ask(list(again.values())), strict=True))
        return [
            self._verdict(one, answer, seconds.get(place))
            for place, (one, answer) in enumerate(zip(asked, answers, strict=True))
        ]

    def _ask(self, calls: Sequence[partial[dict[str, Any]]]) -> list[dict[str, Any] | ApiProblem]:
        found: list[dict[str, Any] | ApiProblem] = []
        for answer in self.cluster.client.together(calls) if calls else ():
            if isinstance(answer, GitopsError) and not isinstance(answer, ApiProblem):
                raise answer
            found.append(answer)
        return found

    def _apply(self, one: Rendered, *, force: bool = False) -> dict[str, Any]:
        kind = self.cluster.need(one)
        return self.cluster.client.apply(kind, one.key.namespace, one.body, dry_run=True, force=force)

    def _create(self, one: Rendered) -> dict[str, Any]:
        return self.cluster.client.create(self.cluster.need(one), one.key.namespace, one.body, dry_run=True)

    def _second(self, one: Rendered, problem: ApiProblem) -> partial[dict[str, Any]] | None:
        """Choose what to ask after a refusal: whether it can be forced, or a new one would be valid."""
        if problem.conflicts and self._may_force(one, problem):
            return partial(self._apply, one, force=True)
        return partial(self._create, one) if recreate.immutable_fields(problem) else None

    def _may_force(self, one: Rendered, problem: ApiProblem) -> bool:
        row = self.ledger.get(one.key)
        if self.healing and row is not None and row.hash == one.hash:
            return True
        fields = {f"{one.key.kind}/{cause.field.lstrip('.')}" for cause in problem.conflicts}
        return fields <= set(self.cluster.policy.force)

    def _verdict(
        self, one: Rendered, answer: dict[str, Any] | ApiProblem, second: dict[str, Any] | ApiProblem | None
    ) -> Verdict:
        if not isinstance(answer, ApiProblem):
            return self._accepted(one, seen_of(answer))
        if second is None:
            return refusals.answered(one, answer, drifted=one.key in self.serving)
        if not isinstance(second, ApiProblem):  # forced; a dry run of creating what exists never gets here
            return self._accepted(one, seen_of(second), taken=answer.conflicts)
        if not recreate.is_valid(second):
            return refusals.answered(one, second)
        return self._anew(one, recreate.immutable_fields(answer))

    def _accepted(self, one: Rendered, now: Seen, *, taken: Sequence[Cause] = ()) -> Verdict:
        """Judge an object that the server would take. A dry run of creating it answers no resourceVersion."""
        if not now.resource_version:
            return Action(key=one.key, act="create")
        before = self.live.get(one.key)
        if before is None and not self._known(now):
            return refusals.of(
                one, "it exists already, and it is not of this app", "kubernetes.foreign", _FOREIGN
            )
        if now.deleting:
            return refusals.of(one, "it is being deleted; push again when it is gone", "kubernetes.deleting")
        manager = self.cluster.at.field_manager
        if (
            before is not None
            and before.annotations.get(HASH) == one.hash
            and (before.resource_version, before.ours(manager)) == (now.resource_version, now.ours(manager))
        ):
            return row_of(before, one.hash, manager)
        if not taken or self.healing:
            return Action(key=one.key, act="change", uid=now.uid, force=bool(taken))
        told = tuple(f"{cause.field.lstrip('.')} is taken from {cause.manager}" for cause in taken)
        losers = tuple(dict.fromkeys(cause.manager for cause in taken))
        return Action(key=one.key, act="change", uid=now.uid, force=True, losers=losers, lines=told)

    def _known(self, now: Seen) -> bool:
        """Say whether an object without our labels is ours: somebody took them off."""
        row = self.ledger.get(now.key)
        return now.key in self.serving and row is not None and row.uid == now.uid

    def _anew(self, one: Rendered, fields: Sequence[str]) -> Verdict:
        before = self.live.get(one.key)
        if before is None:
            return refusals.of(
                one, f"it exists, is not of this app, and {', '.join(fields)} cannot be changed",
                "kubernetes.foreign", _FOREIGN,
            )  # fmt: skip
        needs = recreate.consent(one.key, fields, self.options)
        if needs:
            return refusals.of(one, needs, "kubernetes.immutable")
        told = (f"{', '.join(fields)} cannot be changed",)
        return Action(key=one.key, act="recreate", uid=before.uid, lines=told)


_FOREIGN = "give it another name, or let its owner delete it"
