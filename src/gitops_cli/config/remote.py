"""remote.yaml: the operator's file beside the bare repository. It binds branches to environments.

It is never in a pushed tree, and it holds no secret either: the database's address is a reference.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gitops_cli.config.secrets import refuse_secrets
from gitops_cli.config.typed import bad, convert
from gitops_cli.config.yaml import Document, load_one
from gitops_cli.errors import BadInput

EnvironmentName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]*(/[a-z0-9-]+)?$",
        max_length=63,
        description="lower-case letters, digits and hyphens, at most one slash, at most 63 characters",
    ),
]
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


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What the operator allows."""

    accept_loss: bool = True
    """Whether a push may ask, by `-o accept-loss=NAME`, for a rollback that loses data."""
    allow_irreversible: bool = False
    """Whether a migration may declare that it has no way back."""
    freeze: str = ""
    """While this holds a sentence, nothing is released, and pushers read it."""


class DatabaseAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A database somewhere else, by reference to its URL."""

    url: DatabaseReference
    """Where the URL stands. It serves migrations and app, and holds the password."""


class EnvironmentSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One environment, as remote.yaml spells it."""

    branch: BranchName
    """A push of it is a release."""
    target: Literal["local"] = "local"
    """Where the release lands: processes of this machine."""
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
    if isinstance(database, DatabaseAt) and ".." in database.url.removeprefix("file:").split("/"):
        raise BadInput(
            "`database.url` must stay below the folder of remote.yaml, or be an absolute path",
            code="remote.database",
            file=document.file,
            line=document.line(("environments", environment.name, "database")),
        )
