"""remote.yaml: the operator's file beside the bare repository. It binds branches to environments.

It is never in a pushed tree, and it holds no secret either: the database's address is a reference.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gitops_cli.config.project import EnvironmentName, Name, Relaxation
from gitops_cli.config.secrets import refuse_secrets
from gitops_cli.config.typed import bad, convert
from gitops_cli.config.yaml import Document, load_one
from gitops_cli.errors import BadInput

BranchName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9._/-]{0,99}$",
        description="a short branch name of lower-case letters, digits and `._/-`, such as main",
    ),
]
Seconds = Annotated[float, Meta(gt=0, le=86_400, description="seconds, more than 0 and at most 86400")]
DatabaseReference = Annotated[
    str,
    Meta(
        pattern=r"^(file:[A-Za-z0-9._/-]+|env:[A-Za-z_][A-Za-z0-9_]*)$",
        description="file:PATH (beside remote.yaml) or env:NAME, never the URL itself",
    ),
]
KubeconfigReference = Annotated[
    str, Meta(pattern=r"^(file:[A-Za-z0-9._/-]+)?$", description="file:PATH (beside remote.yaml)")
]
Namespace = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="a DNS label: lower-case letters, digits and hyphens, at most 63 characters",
    ),
]
ManagerName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$", description="a field manager's name")
]
ImageReference = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}@sha256:[0-9a-f]{64}$",
        description="an image by digest: registry/name@sha256: and 64 hexadecimal digits",
    ),
]
KindName = Annotated[
    str,
    Meta(
        pattern=r"^([a-z0-9.-]{1,253}/)?v[a-z0-9]{1,62}/[A-Z][A-Za-z0-9]{0,62}$",
        description="GROUP/VERSION/KIND, such as cert-manager.io/v1/Certificate (v1/KIND for the core group)",
    ),
]
RegistryName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9._:/-]{0,254}$",
        description="a registry's host, or a path in it: ghcr.io, registry.example:5000/team",
    ),
]
OwnedField = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z][A-Za-z0-9]{0,62}/[^\x00-\x20]{1,200}$",
        description="KIND/FIELD, such as Deployment/spec.replicas",
    ),
]
CLUSTER_KINDS = frozenset(
    {
        *("APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole"),
        *("ClusterRoleBinding", "CustomResourceDefinition", "DeviceClass", "FlowSchema", "IngressClass"),
        *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration"),
        *("Namespace", "Node", "PersistentVolume", "PriorityClass", "PriorityLevelConfiguration"),
        *("RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
        *("ValidatingWebhookConfiguration", "VolumeAttachment", "VolumeAttributesClass"),
    }
)
"""Kubernetes' own kinds that are of no namespace; of other kinds the server is asked."""
_ODD_BRANCH = re.compile(r"\.\.|//|/\.|\.lock(/|$)|[/.]$")


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long each part may take, in seconds."""

    rollout: Seconds = 120
    """Until the new version is ready."""
    migration: Seconds = 300
    """For all migrations of one release."""
    rehearsal: Seconds = 300
    """For all of the rehearsal."""
    lock: Seconds = 10
    """Until the database gives the locks that a migration needs."""
    job: Seconds = 300
    """The most that gitops.yaml may give a job or a check."""
    unschedulable: Seconds = 30
    """How long a pod may find no node before the release fails."""


class Prune(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many objects a release may remove from a cluster unasked."""

    count: Annotated[int, Meta(ge=0)] = 20
    """So many always may."""
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """More than `count` may if they are at most this share of what was released before."""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What the operator allows."""

    accept_loss: bool = True
    """Whether a push may ask, by `-o accept-loss=NAME`, for a rollback that loses data."""
    allow_irreversible: bool = False
    """Whether a migration may declare that it has no way back."""
    freeze: str = ""
    """While this holds a sentence, nothing is released, and pushers read it."""
    kinds: tuple[KindName, ...] = ()
    """Kinds of objects that a project may bring to a cluster, besides the usual ones of the namespace."""
    cluster_scoped: tuple[Literal["Namespace", "CustomResourceDefinition"], ...] = ()
    """Kinds of the whole cluster that a project may bring."""
    may_relax: tuple[Relaxation, ...] = ()
    """Rules of the restricted Pod Security Standard that a project may relax by its `relax`."""
    service_accounts: tuple[Namespace, ...] = ()
    """Service accounts of the namespace that pods may run as, with a token of theirs."""
    registries: tuple[RegistryName, ...] = ()
    """Where images may come from; empty: anywhere."""
    force: tuple[OwnedField, ...] = ()
    """Fields that a release takes over even if somebody else's field manager owns them."""
    prune: Prune = Prune()


class DatabaseAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A database somewhere else, by reference to its URL."""

    url: DatabaseReference
    """Where the URL stands. It serves migrations and app, and holds the password."""


class KubernetesAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A namespace of a cluster, and how to get there."""

    namespace: Namespace
    """Where everything lands; nothing of a push leaves it."""
    kubeconfig: KubeconfigReference = ""
    """A kubeconfig file; or `inCluster`."""
    context: str = ""
    """A context of the kubeconfig; empty: its current one."""
    in_cluster: bool = False
    """Whether the remote runs in a pod of the cluster and uses that pod's service account."""
    field_manager: ManagerName = "gitops"
    """Who owns the fields that a release sets."""
    images: dict[Name, ImageReference] = {}
    """The image of each service of gitops.yaml, by digest."""


class KubernetesTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The target is a cluster."""

    kubernetes: KubernetesAt
    """Which one."""


class EnvironmentSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One environment, as remote.yaml spells it."""

    branch: BranchName
    """A push of it is a release."""
    target: Literal["local"] | KubernetesTarget = "local"
    """Where the release lands: processes of this machine, or a cluster."""
    database: Literal["embedded", "none"] | DatabaseAt = "embedded"
    """`embedded`: a PostgreSQL of this remote."""
    release: Literal["pushing", "following"] = "pushing"
    """`following`: the branch moves at once, the release comes after it."""
    policy: Policy = Policy()
    timeouts: Timeouts = Timeouts()


class Environment(EnvironmentSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A named destination: a branch, a target, a database."""

    name: str

    @property
    def ref(self) -> str:
        """The full name of its branch."""
        return f"refs/heads/{self.branch}"

    @property
    def kubernetes(self) -> KubernetesAt | None:
        """Where in which cluster it is, if it is in one."""
        return self.target.kubernetes if isinstance(self.target, KubernetesTarget) else None

    @property
    def target_name(self) -> str:
        """What kind of target it has: `local` or `kubernetes`."""
        return "kubernetes" if isinstance(self.target, KubernetesTarget) else self.target


class RemoteFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """The whole of remote.yaml."""

    version: Literal[1]
    """Of this file's format."""
    sandbox: Literal["auto", "uid", "userns", "landlock", "none"] = "auto"
    """How pushed code is kept from the rest of the machine; `auto`: the best that there is."""
    sandbox_reason: str = ""
    """Why there is no sandbox; `status` shows it."""
    environments: dict[EnvironmentName, EnvironmentSpec] = {}


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator decided, checked."""

    sandbox: Literal["auto", "uid", "userns", "landlock", "none"] = "auto"
    sandbox_reason: str = ""
    environments: dict[str, Environment] = {}

    def bound(self, ref: str) -> Environment | None:
        """Give the environment that a full ref name releases to, if any."""
        return next((found for found in self.environments.values() if found.ref == ref), None)


def load_remote(data: bytes, file: str) -> Remote:
    """Read remote.yaml. Raises `BadInput` with file and line; no value of it is ever printed."""
    try:
        return _read(data, file)
    except BadInput as error:
        folder = file.rpartition("/")[0]
        where = f" --home {folder}" if folder else ""
        error.next_command = f"mend it, then: gitops remote show{where}"
        raise


def _read(data: bytes, file: str) -> Remote:
    document = load_one(data, file)
    parsed = convert(document, RemoteFile)
    refuse_secrets(data, [document], file)
    environments = {
        name: Environment(name=name, **{key: getattr(spec, key) for key in spec.__struct_fields__})
        for name, spec in parsed.environments.items()
    }
    _check(document, environments)
    return Remote(sandbox=parsed.sandbox, sandbox_reason=parsed.sandbox_reason, environments=environments)


def _check(document: Document, environments: dict[str, Environment]) -> None:
    branches: dict[str, str] = {}
    for name, environment in environments.items():
        path = ("environments", name)
        if environment.branch.startswith("refs/") or _ODD_BRANCH.search(environment.branch):
            raise bad(document, "`branch` is no short branch name, such as main", *path, "branch")
        other = branches.setdefault(environment.branch, name)
        if other != name:
            cause = f"`{other}` and `{name}` are bound to the same branch"
            raise bad(document, cause, *path, "branch", code="remote.branch")
        above = name.partition("/")[0]
        if above != name and above in environments:  # refs/gitops/releases/preview cannot be file and folder
            cause = f"there cannot be both `{above}` and `{name}`: git cannot hold a ref below another"
            raise bad(document, cause, *path, code="remote.name")
        _check_reference(document, environment)


def _check_reference(document: Document, environment: Environment) -> None:
    database = environment.database
    path = ("environments", environment.name)
    if isinstance(database, DatabaseAt) and _leaves(database.url):
        raise BadInput(
            "`database.url` must stay below the folder of remote.yaml, or be an absolute path",
            code="remote.database",
            file=document.file,
            line=document.line((*path, "database")),
        )
    at = environment.kubernetes
    if at is None:
        return
    if not environment.name[-1].isalnum():  # it becomes a label's value
        cause = "the name of an environment in a cluster ends with a letter or digit"
        raise bad(document, cause, *path, code="remote.name")
    for kind in environment.policy.kinds:
        if kind.rpartition("/")[2] in CLUSTER_KINDS:
            cause = f"`{kind}` is of the whole cluster; `clusterScoped` says which of those may be"
            raise bad(document, cause, *path, "policy", "kinds", code="remote.policy")
    where = (*path, "target", "kubernetes")
    if bool(at.kubeconfig) == at.in_cluster:
        cause = "a cluster is reached by `kubeconfig: file:PATH` or by `inCluster: true`, one of them"
        raise bad(document, cause, *where, code="remote.cluster")
    if _leaves(at.kubeconfig):
        cause = "`kubeconfig` must stay below the folder of remote.yaml, or be an absolute path"
        raise bad(document, cause, *where, "kubeconfig", code="remote.cluster")
    if at.context and at.in_cluster:
        raise bad(document, "`context` belongs to a `kubeconfig`", *where, "context", code="remote.cluster")
    if database == "embedded":
        cause = (
            "`database: embedded` runs on the remote's machine, which pods of a cluster cannot reach; "
            "write `database: {url: ...}` or `database: none`"
        )
        raise bad(document, cause, *path, "database", code="remote.database-place")


def _leaves(reference: str) -> bool:
    """Say whether a reference to a file climbs out of the folder of remote.yaml."""
    return ".." in reference.removeprefix("file:").split("/")
