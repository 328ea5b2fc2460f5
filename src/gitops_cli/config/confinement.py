"""What a project may bring to a cluster, checked before any request: its namespace, its kinds, its pods.

A credential for one namespace reaches further than the namespace: a pod on the node's network, the token of
another service account, an address that a Service takes over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gitops_cli.config.pod_security import remedy, violations
from gitops_cli.config.pods import listed, mapping, pods
from gitops_cli.config.typed import dotted
from gitops_cli.errors import PolicyRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitops_cli.config.pods import Pod
    from gitops_cli.config.project import Project
    from gitops_cli.config.remote import Policy
    from gitops_cli.config.workloads import Manifest, Manifests
    from gitops_cli.config.yaml import Path

KINDS = frozenset(
    {
        ("", "ConfigMap"),
        ("", "PersistentVolumeClaim"),
        ("", "Pod"),
        ("", "PodTemplate"),
        ("", "Service"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("batch", "CronJob"),
        ("batch", "Job"),
        ("networking.k8s.io", "Ingress"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("policy", "PodDisruptionBudget"),
    }
)
"""Groups and kinds that every project may bring."""
CLUSTER_SCOPED = {
    "Namespace": "",
    "CustomResourceDefinition": "apiextensions.k8s.io",
}
"""Kinds of the whole cluster that an operator may allow, and their groups."""
RESERVED = "gitops-cli/"
"""How labels and annotations of ours begin."""
_METADATA = frozenset({"name", "namespace", "labels", "annotations"})
_SYSTEM_NAMESPACE = ("kube-", "default")
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_MOST = 20
"""Problems that one answer names."""
_EMPTY: tuple[Any, ...] = (None, "", 0, [], {})


class Problem(NamedTuple):
    """Something that may not be, and where."""

    error: PolicyRefused
    manifest: Manifest
    path: Path
    rule: str
    """Of the Pod Security Standard; else empty."""


def _problem(  # noqa: PLR0913 - what, where, and what to do; the last two by name
    cause: str, code: str, manifest: Manifest, path: Path, *, rule: str = "", remedy: str = ""
) -> Problem:
    said = f"{manifest.kind} {manifest.name}: {cause}"
    error = PolicyRefused(said, code=code, file=manifest.file, next_command=remedy)
    return Problem(error, manifest, path, rule)


def check(manifests: Manifests, project: Project, policy: Policy, namespace: str) -> None:
    """Refuse what leaves the namespace or the restricted Pod Security Standard. Raises `PolicyRefused`.

    Every problem is named: the first as the error, the others on lines of their own.
    """
    checker = _Checker(manifests, project, policy, namespace)
    found = [problem for manifest in manifests.all for problem in checker.problems(manifest)]
    if not found:
        return
    for problem in found[:_MOST]:
        problem.error.line = problem.manifest.line_of(problem.path)
    error = found[0].error
    others = [f"{problem.error.place}: {problem.error.cause}" for problem in found[1:_MOST]]
    more = [f"{len(found) - _MOST} more"] if len(found) > _MOST else []
    error.also = (*others, *more)
    rules = [problem.rule for problem in found if problem.rule]
    if rules and not error.next_command:
        error.next_command = remedy(rules, project.relax, policy.may_relax)
    raise error


class _Checker:
    def __init__(self, manifests: Manifests, project: Project, policy: Policy, namespace: str) -> None:
        self._policy = policy
        self._namespace = namespace
        self._relaxed = set(project.relax) & set(policy.may_relax)
        self._kinds = set(policy.kinds) | (
            set(_brought(manifests)) if "CustomResourceDefinition" in policy.cluster_scoped else set()
        )

    def problems(self, manifest: Manifest) -> Iterator[Problem]:
        """Give everything that is wrong with one object."""
        yield from self._kind(manifest)
        yield from self._metadata(manifest)
        if manifest.kind == "Service":
            yield from _service(manifest)
        if manifest.kind == "Job":
            yield from _job(manifest)
        for pod in pods(manifest.raw):
            yield from self._pod(manifest, pod)

    def _kind(self, manifest: Manifest) -> Iterator[Problem]:
        group = manifest.api_version.rpartition("/")[0]
        full = f"{manifest.api_version}/{manifest.kind}"
        if (group, manifest.kind) in KINDS or full in self._kinds:
            return
        if CLUSTER_SCOPED.get(manifest.kind) == group:
            if manifest.kind not in self._policy.cluster_scoped:
                cause = "the kind is of the whole cluster, and a project has one namespace of it"
                help_ = (
                    f"the operator allows it by `policy: {{clusterScoped: [{manifest.kind}]}}` in remote.yaml"
                )
                yield _problem(cause, "policy.cluster-scoped", manifest, ("kind",), remedy=help_)
            elif manifest.kind == "Namespace" and manifest.name.startswith(_SYSTEM_NAMESPACE):
                yield _problem(
                    "this namespace is the cluster's own",
                    "policy.cluster-scoped",
                    manifest,
                    ("metadata", "name"),
                )
            return
        cause = "this kind is none that a project may bring to a cluster"
        help_ = f"if it is one of a namespace, the operator adds {full} to `policy.kinds` in remote.yaml"
        yield _problem(cause, "policy.kind", manifest, ("kind",), remedy=help_)

    def _metadata(self, manifest: Manifest) -> Iterator[Problem]:
        metadata = manifest.raw["metadata"]
        written = metadata.get("namespace")
        if written not in (None, "", self._namespace) or (
            written and CLUSTER_SCOPED.get(manifest.kind) is not None
        ):
            cause = f"`metadata.namespace` is not {self._namespace}, the only one of this environment"
            help_ = "leave it out: the operator's remote.yaml says which namespace it is"
            yield _problem(cause, "policy.namespace", manifest, ("metadata", "namespace"), remedy=help_)
        for field in metadata:
            if field not in _METADATA and metadata[field] not in _EMPTY:
                cause = f"`metadata.{field}` is no project's to set"
                yield _problem(cause, "policy.metadata", manifest, ("metadata", field))
        for group in ("labels", "annotations"):
            if not isinstance(metadata.get(group) or {}, dict):
                cause = f"`metadata.{group}` must be a mapping"
                yield _problem(cause, "policy.metadata", manifest, ("metadata", group))
            for key in mapping(metadata.get(group)):
                if key.startswith(RESERVED):
                    cause = f"{group} that begin with {RESERVED} are the release's own"
                    yield _problem(cause, "policy.metadata", manifest, ("metadata", group, key))
        if manifest.kind != "CustomResourceDefinition":
            yield from _inner_metadata(manifest, manifest.raw, ())

    def _pod(self, manifest: Manifest, pod: Pod) -> Iterator[Problem]:
        yield from self._identity(manifest, pod)
        yield from _place(manifest, pod)
        for found in violations(pod):
            if found.rule not in self._relaxed:
                cause = f"`{dotted(found.path)}` {found.must} (rule {found.rule})"
                yield _problem(cause, "policy.pod-security", manifest, found.path, rule=found.rule)

    def _identity(self, manifest: Manifest, pod: Pod) -> Iterator[Problem]:
        """Check whose rights the pod has: nobody's, unless the operator lists its service account."""
        for field in ("serviceAccountName", "serviceAccount"):
            name = pod.spec.get(field)
            if name not in (None, "", "default", *self._policy.service_accounts):
                cause = f"`{dotted((*pod.path, field))}` names an account that is not the project's to use"
                help_ = (
                    "leave it out; or else the operator adds it to `policy.serviceAccounts` in remote.yaml"
                )
                yield _problem(cause, "policy.service-account", manifest, (*pod.path, field), remedy=help_)
        if pod.spec.get("serviceAccountName") in self._policy.service_accounts:
            return
        help_ = (
            "take it out; or else the operator adds the pod's service account to `policy.serviceAccounts` "
            "in remote.yaml"
        )
        for path in _tokens(pod):
            cause = f"`{dotted(path)}` would give the pod a token of the cluster"
            yield _problem(cause, "policy.token", manifest, path, remedy=help_)


def _brought(manifests: Manifests) -> Iterator[str]:
    """Name the kinds of the definitions that come with the same push, if they are of a namespace."""
    for manifest in manifests.all:
        spec = mapping(manifest.raw.get("spec"))
        if manifest.kind == "CustomResourceDefinition" and spec.get("scope") == "Namespaced":
            for version in listed(spec.get("versions")):
                name, kind = mapping(version).get("name"), mapping(spec.get("names")).get("kind")
                yield f"{spec.get('group')}/{name}/{kind}"


def _inner_metadata(manifest: Manifest, value: Any, path: Path) -> Iterator[Problem]:
    """Find owners and finalizers in templates: they reach the pods and claims that are made of them."""
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from _inner_metadata(manifest, child, (*path, index))
    elif isinstance(value, dict):
        for field in ("ownerReferences", "finalizers"):
            if path[-1:] == ("metadata",) and len(path) > 1 and value.get(field) not in _EMPTY:
                where = (*path, field)
                yield _problem(
                    f"`{dotted(where)}` is no project's to set", "policy.metadata", manifest, where
                )
        for key, child in value.items():
            yield from _inner_metadata(manifest, child, (*path, key))


def _job(manifest: Manifest) -> Iterator[Problem]:
    """Refuse what removes itself: it is missed, made again, and runs again."""
    if "ttlSecondsAfterFinished" in mapping(manifest.raw.get("spec")):
        cause = "a Job that removes itself would be made again, and run again, for ever"
        help_ = "leave the field out, or make it one of the `jobs:` of gitops.yaml"
        yield _problem(cause, "policy.job-ends", manifest, ("spec", "ttlSecondsAfterFinished"), remedy=help_)


def _service(manifest: Manifest) -> Iterator[Problem]:
    spec = mapping(manifest.raw.get("spec"))
    if spec.get("externalIPs") not in _EMPTY:
        cause = "`spec.externalIPs` would take addresses over that may be somebody else's"
        yield _problem(cause, "policy.service", manifest, ("spec", "externalIPs"))
    for field, wrong in (
        ("type", spec.get("type") == "ExternalName"),
        ("externalName", spec.get("externalName")),
    ):
        if wrong:
            cause = f"`spec.{field}` makes the Service a name for a host outside of the namespace"
            yield _problem(cause, "policy.service", manifest, ("spec", field))


def _place(manifest: Manifest, pod: Pod) -> Iterator[Problem]:
    """Check that the scheduler decides where the pod runs, and that it takes nobody's place."""
    if pod.spec.get("nodeName") not in _EMPTY:
        cause = f"`{dotted((*pod.path, 'nodeName'))}` goes past the scheduler"
        yield _problem(cause, "policy.node", manifest, (*pod.path, "nodeName"))
    for index, toleration in enumerate(listed(pod.spec.get("tolerations"))):
        told = mapping(toleration)
        if told.get("key") in (None, "", *_CONTROL_PLANE):
            path = (*pod.path, "tolerations", index)
            cause = f"`{dotted(path)}` would let the pod run on the control plane's nodes"
            yield _problem(cause, "policy.node", manifest, path)
    if str(pod.spec.get("priorityClassName") or "").startswith("system-"):
        path = (*pod.path, "priorityClassName")
        yield _problem(f"`{dotted(path)}` is for the cluster's own pods", "policy.priority", manifest, path)


def _tokens(pod: Pod) -> Iterator[Path]:
    if pod.spec.get("automountServiceAccountToken") not in (None, False):
        yield (*pod.path, "automountServiceAccountToken")
    for index, volume in enumerate(listed(pod.spec.get("volumes"))):
        sources = listed(mapping(mapping(volume).get("projected")).get("sources"))
        for place, source in enumerate(sources):
            for field in ("serviceAccountToken", "podCertificate"):
                if mapping(source).get(field) is not None:
                    yield (*pod.path, "volumes", index, "projected", "sources", place, field)
