"""gitops.yaml: what the app is. It names no credential, cluster or host."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$", description="a DNS label")]


EnvironmentName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]*(/[a-z0-9-]+)?$",
        max_length=63,
        description="lower-case letters, digits and hyphens, at most one slash, at most 63 characters",
    ),
]
Relaxation = Literal[
    "apparmor",
    "capabilities",
    "host-namespaces",
    "host-path",
    "host-ports",
    "host-probes",
    "host-process",
    "privilege-escalation",
    "privileged",
    "proc-mount",
    "run-as-non-root",
    "run-as-user",
    "seccomp",
    "selinux",
    "sysctls",
    "volume-types",
]
"""A rule of the restricted Pod Security Standard (docs/explanation/pod-security.md)."""


class ServiceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something built from a Dockerfile and run from a PodSpec; manifests name it as their `image:`."""

    dockerfile: str = "Dockerfile"
    """Its path from the top of the repository."""
    context: str = "."
    """The folder that COPY copies from."""


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A command that runs once in a release; its failure undoes the release."""

    service: Name
    """It runs with this service's files, dependencies and variables."""
    command: tuple[str, ...]
    """Program and arguments; no shell takes part."""
    when: Literal["before-deploy", "after-deploy"] = "after-deploy"
    """`before-deploy`: the migrations have run, nothing new has started; `after-deploy`: it serves."""
    timeout_seconds: int = 300
    """At most `timeouts.job` of remote.yaml."""


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A question asked of the new version before it is published: a command or an HTTP path."""

    service: Name
    """Whose code the command runs with, or which is asked, by the Service that leads to it."""
    command: tuple[str, ...] = ()
    """Exit code 0 passes."""
    http: str = ""
    """A path, such as /health; 2xx and 3xx pass. Asked again until then, or until the time is over."""
    timeout_seconds: int = 60
    """At most `timeouts.job` of remote.yaml."""


class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole of gitops.yaml."""

    version: Literal[1] = 1
    """Of this file's format."""
    name: Name
    """Of the app; its database is called after it."""
    services: dict[Name, ServiceSpec] = {}
    """What is built; a manifest's `image:` names one of these."""
    manifests: str = "deploy"
    """The folder that holds the Kubernetes manifests."""
    migrations: str = ""
    """The Alembic folder (the one with env.py and versions/); empty: no database."""
    kustomize: dict[EnvironmentName, str] = {}
    """An environment's kustomize overlay: a folder that is built instead of reading `manifests`."""
    jobs: dict[Name, Job] = {}
    """Run in the order of the file."""
    checks: dict[Name, Check] = {}
    """Asked before the branch moves."""
    relax: tuple[Relaxation, ...] = ()
    """Rules of the restricted Pod Security Standard that the app cannot keep; on a cluster the operator's
    `policy.mayRelax` must name them too."""
