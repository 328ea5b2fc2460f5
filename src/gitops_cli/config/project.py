"""gitops.yaml: what the app is. It names no credential, cluster or host."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$", description="a DNS label")]


class ServiceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something built from a Dockerfile and run from a PodSpec; manifests name it as their `image:`."""

    dockerfile: str = "Dockerfile"
    context: str = "."


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A command that runs once in a release; its failure undoes the release."""

    service: Name
    command: tuple[str, ...]
    when: Literal["before-deploy", "after-deploy"] = "after-deploy"
    timeout_seconds: int = 300


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A question asked of the new version before it is published: a command or an HTTP path."""

    service: Name
    command: tuple[str, ...] = ()
    http: str = ""
    timeout_seconds: int = 60


class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole of gitops.yaml."""

    version: Literal[1] = 1
    name: Name
    services: dict[Name, ServiceSpec] = {}
    manifests: str = "deploy"
    """The folder that holds the Kubernetes manifests."""
    migrations: str = ""
    """The Alembic folder (the one with env.py and versions/); empty: no database."""
    jobs: dict[Name, Job] = {}
    checks: dict[Name, Check] = {}
