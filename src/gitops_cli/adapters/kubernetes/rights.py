"""What the credential may do: one SelfSubjectRulesReview for each namespace, kept in `rights.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitops_cli.adapters.files import private_dir, read_or_none, write_atomic
from gitops_cli.adapters.kubernetes.rules import Right

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitops_cli.adapters.kubernetes.client import Client

__all__ = ["Right", "missing_rights"]

_REVIEWS = "/apis/authorization.k8s.io/v1"


class _Rule(msgspec.Struct, rename="camel"):
    verbs: list[str] = []
    api_groups: list[str] = []
    resources: list[str] = []
    resource_names: list[str] = []

    def grants(self, right: Right) -> bool:
        """Say whether it does; one for named objects does not, for which names a push brings is not known."""
        subresource = "*/" + right.resource.partition("/")[2]
        return (
            not self.resource_names
            and not {right.verb, "*"}.isdisjoint(self.verbs)
            and not {right.group, "*"}.isdisjoint(self.api_groups)
            and not {right.resource, "*", subresource}.isdisjoint(self.resources)
        )


class _Kept(msgspec.Struct):
    digest: str
    """Of the credential that this is about."""
    granted: set[Right] = set()


def missing_rights(client: Client, wanted: Iterable[Right]) -> list[Right]:
    """Give those of the rights that the credential has not, sorted.

    A right that was granted once is not asked for again: if it was taken away since, the request that needs
    it says so. One that was missing is asked for anew, for a role may have grown.
    """
    path = client.state / "rights.json"
    kept = _kept(path, client.access.digest)
    unknown = set(wanted) - kept.granted
    if not unknown:
        return []
    granted = set[Right]()
    for namespace in sorted({right.namespace for right in unknown}):
        here = {right for right in unknown if right.namespace == namespace}
        granted |= _granted(client, namespace, here)
    private_dir(client.state)
    write_atomic(path, msgspec.json.encode(_Kept(kept.digest, kept.granted | granted), order="sorted"))
    return sorted(unknown - granted)


def _kept(path: Path, digest: str) -> _Kept:
    try:
        found = msgspec.json.decode(read_or_none(path) or b"", type=_Kept)
    except msgspec.MsgspecError:
        found = _Kept("")
    return found if found.digest == digest else _Kept(digest)


def _granted(client: Client, namespace: str, wanted: set[Right]) -> set[Right]:
    """Ask for all rules of a namespace at once; one by one where the server cannot tell all of them.

    The rules of a namespace say nothing about objects of the whole cluster.
    """
    if not namespace:
        return _one_by_one(client, wanted)
    status = _review(client, "selfsubjectrulesreviews", {"namespace": namespace})
    rules = msgspec.convert(status.get("resourceRules") or [], list[_Rule])
    granted = {right for right in wanted if any(rule.grants(right) for rule in rules)}
    return granted | _one_by_one(client, wanted - granted) if status.get("incomplete") else granted


def _one_by_one(client: Client, wanted: set[Right]) -> set[Right]:
    asked = sorted(wanted)
    answers = client.together(lambda right=right: _may(client, right) for right in asked)  # type: ignore[misc]  # a default binds the loop's value
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return {right for right, answer in zip(asked, answers, strict=True) if answer is True}


def _may(client: Client, right: Right) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "namespace": right.namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
    }
    status = _review(client, "selfsubjectaccessreviews", {"resourceAttributes": attributes})
    return bool(status.get("allowed"))


def _review(client: Client, plural: str, spec: dict[str, object]) -> dict[str, object]:
    """Ask about ourselves: everybody who logged in may. Asking twice changes nothing."""
    answer = client.request("POST", f"{_REVIEWS}/{plural}", body={"spec": spec}, again=True)
    status: dict[str, object] = answer["status"]
    return status
