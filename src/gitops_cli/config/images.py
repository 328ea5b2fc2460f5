"""Which image a container runs: a service's, by the operator's digest, or one that is named by digest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gitops_cli.errors import BadInput, PolicyRefused

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from gitops_cli.config.workloads import Manifest
    from gitops_cli.config.yaml import Path

_PINNED = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,254}@sha256:[0-9a-f]{64}")


class Images(NamedTuple):
    """What images of a project may be."""

    services: Container[str]
    """Services of gitops.yaml."""
    known: Mapping[str, str]
    """The operator's reference for a service."""
    registries: tuple[str, ...] = ()

    def pinned(self, image: str, manifest: Manifest, path: Path) -> str:
        """Give the reference by digest that stands for an image. Raises `BadInput`, `PolicyRefused`."""
        if image in self.services:
            if image not in self.known:
                raise PolicyRefused(
                    f"the service {image} has no image in the cluster yet",
                    code="image.missing",
                    file=manifest.file,
                    line=manifest.line_of(path),
                    next_command=f"the operator adds `{image}: NAME@sha256:...` to `images` in remote.yaml",
                )
            image = self.known[image]
        elif not _PINNED.fullmatch(image):
            raise BadInput(
                f"the image `{image[:200]}` is neither a service of gitops.yaml nor named by digest "
                "(NAME@sha256:...): what a tag names may change",
                code="image.tag",
                file=manifest.file,
                line=manifest.line_of(path),
            )
        if self.registries and not any(_within(image, registry) for registry in self.registries):
            raise PolicyRefused(
                f"the image `{image[:200]}` is from no registry of `policy.registries` in remote.yaml",
                code="image.registry",
                file=manifest.file,
                line=manifest.line_of(path),
            )
        return image


def _within(image: str, registry: str) -> bool:
    """Say whether an image is below a registry, or a path in one; no host means Docker Hub."""
    host, slash, _rest = image.partition("/")
    if not slash or not (set(host) & {".", ":"} or host == "localhost"):
        image = f"docker.io/{image}" if slash else f"docker.io/library/{image}"
    return image.startswith(f"{registry.rstrip('/')}/")
