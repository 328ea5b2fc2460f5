"""Apply, create, delete: each settled when its answer is lost, so that nothing is half done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitops_cli.adapters.kubernetes.problems import OBJECT, ApiProblem, decoded

if TYPE_CHECKING:
    from gitops_cli.adapters.kubernetes.objects import Kind
    from gitops_cli.adapters.kubernetes.wire import Wire

APPLY = "application/apply-patch+yaml"  # JSON is YAML
RELEASE = "gitops-cli/release"
_OURS = "gitops-cli/"


def apply(  # noqa: PLR0913 - what the API offers, by name
    wire: Wire,
    kind: Kind,
    namespace: str,
    body: dict[str, Any],
    *,
    manager: str,
    dry_run: bool,
    force: bool,
) -> dict[str, Any]:
    """Apply an object on the server's side; sent again when the answer is lost, for twice is as once."""
    name = body["metadata"]["name"]
    query = _query(manager, dry_run=dry_run) + [("force", "true")] * force
    answer = wire.send(
        "PATCH",
        kind.path(namespace, name),
        query=query,
        body=body,
        content_type=APPLY,
        subject=f"{kind.kind} {name}",
    )
    return _object(answer)


def create(  # noqa: PLR0913 - as above
    wire: Wire, kind: Kind, namespace: str, body: dict[str, Any], *, manager: str, dry_run: bool
) -> dict[str, Any]:
    """Create an object; when an answer was lost, find out whether what is there is what we sent."""
    name = body["metadata"]["name"]
    query = _query(manager, dry_run=dry_run)
    subject = f"{kind.kind} {name}"
    try:
        return _object(
            wire.send("POST", kind.path(namespace), query=query, body=body, again=True, subject=subject)
        )
    except ApiProblem as problem:
        if dry_run or not problem.is_exists:
            raise
        live = _object(wire.send("GET", kind.path(namespace, name), subject=subject))
        if not _is_it(live["metadata"], body["metadata"], sent_before=problem.repeated):
            raise
        return live


def delete(  # noqa: PLR0913 - as above
    wire: Wire, kind: Kind, namespace: str, name: str, *, uid: str, dry_run: bool, propagation: str
) -> bool:
    """Delete an object; False when it was not there, or another one is in its place.

    Without a uid it is never sent twice: what is there by then may be somebody's new object.
    """
    options: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": propagation,
    }
    if uid:
        options["preconditions"] = {"uid": uid}
    if dry_run:
        options["dryRun"] = ["All"]
    subject = f"{kind.kind} {name}"
    try:
        wire.send(
            "DELETE", kind.path(namespace, name), body=options, again=bool(uid) or dry_run, subject=subject
        )
    except ApiProblem as problem:
        if problem.is_missing:
            return problem.repeated  # the lost answer was ours
        if uid and problem.is_conflict and "UID in" in problem.message:  # "… precondition does not match"
            return problem.repeated
        raise
    return True


def _query(manager: str, *, dry_run: bool) -> list[tuple[str, str]]:
    return [("fieldManager", manager), ("fieldValidation", "Strict")] + [("dryRun", "All")] * dry_run


def _object(answer: bytes) -> dict[str, Any]:
    return decoded(answer, OBJECT)


def _is_it(live: dict[str, Any], wanted: dict[str, Any], *, sent_before: bool) -> bool:
    """Say whether the object that is there is the one that we wanted to create."""
    if "deletionTimestamp" in live:
        return False
    release = _marks(wanted).get(RELEASE)
    if release is None and not sent_before:
        return False
    return bool(_marks(wanted)) and _marks(wanted).items() <= _marks(live).items()


def _marks(metadata: dict[str, Any]) -> dict[str, str]:
    """Give our labels and annotations: project, environment, hash, release."""
    both = (metadata.get("labels") or {}) | (metadata.get("annotations") or {})
    return {name: value for name, value in both.items() if name.startswith(_OURS)}
