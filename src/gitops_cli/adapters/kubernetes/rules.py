"""A right as RBAC has it: one verb on one resource."""

from __future__ import annotations

import msgspec


class Right(msgspec.Struct, frozen=True, order=True):
    """One verb on one resource, in one namespace or, with an empty one, in the whole cluster."""

    verb: str
    """As RBAC names it: get, list, watch, create, patch, delete."""
    group: str
    """Empty for the core group."""
    resource: str
    """Plural, with the subresource if there is one: `deployments`, `pods/log`."""
    namespace: str = ""

    @property
    def rule(self) -> str:
        """The rule of a Role or ClusterRole that grants it."""
        group = self.group or '""'
        return f"{{apiGroups: [{group}], resources: [{self.resource}], verbs: [{self.verb}]}}"

    def sentence(self) -> str:
        """Say what is missing: verb, kind and the rule to add."""
        where = f" in {self.namespace}" if self.namespace else ""
        role = "Role" if self.namespace else "ClusterRole"
        return f"the credential may not {self.verb} {self.resource}{where}; add to its {role}: {self.rule}"
