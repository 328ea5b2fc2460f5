"""What the objects that a release touched were before it: what undoing makes of them again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_cli.errors import Unavailable
from gitops_cli.targets.kubernetes.ledger import row_of, row_to_ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitops_cli.adapters.kubernetes.objects import Key, Seen
    from gitops_cli.targets.kubernetes.inventory import SetSpec
    from gitops_cli.targets.kubernetes.ledger import Row
    from gitops_cli.targets.kubernetes.planned import Taken
    from gitops_cli.targets.kubernetes.rendering import Rendered
    from gitops_cli.targets.kubernetes.state import State


@dataclass(frozen=True)
class Former:
    """The objects as they were, ours and others' parts of them."""

    rendered: Mapping[Key, Rendered]
    """As the release before had applied them."""
    live: Mapping[Key, Rendered]
    """What was ours of those that were not so any more, or that no set named."""
    taken: Mapping[Key, Taken]
    """Those of which the release takes fields from others."""

    @classmethod
    def of(cls, state: State, spec: SetSpec, before: SetSpec | None) -> Former:
        """Read what was before the release of `spec`. Raises `Unavailable`."""
        rendered: dict[Key, Rendered] = {}
        if before is not None:
            with suppress(Unavailable):  # lost: then the plan has kept what was ours of each object
                rendered = {one.key: one for one in state.bodies(before.key).objects}
        kept = state.bodies(spec.key)
        return cls(rendered, {one.key: one for one in kept.before}, {one.key: one for one in kept.taken})

    def get(self, key: Key) -> Rendered | None:
        """Give what to apply; None when it is lost."""
        return self.live.get(key) or self.rendered.get(key)

    def row(self, seen: Seen, one: Rendered, manager: str) -> Row:
        """Make the row of an object that was put back."""
        return row_to_ask(seen, one.hash) if one.key in self.live else row_of(seen, one.hash, manager)
