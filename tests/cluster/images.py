"""Images made here from files of this machine, pushed to a registry and named by digest.

Nothing can be pulled where tests run. The same files give the same digest.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import urllib3

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class File:
    """What stands at a path of an image: bytes, a file of this machine, a link's target, or (None) a folder."""

    content: bytes | Path | str | None
    mode: int = 0o644


@dataclass(frozen=True)
class Image:
    """Layers, each the bytes of a tar, and how to start."""

    layers: tuple[bytes, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = "0"
    folder: str = ""
    """Where it starts."""

    @property
    def config(self) -> bytes:
        settings = {
            "Entrypoint": list(self.command),
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "User": self.user,
            "WorkingDir": self.folder,
        }
        return json.dumps(
            {
                "architecture": _MACHINES[platform.machine()],
                "os": "linux",
                "config": settings,
                "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in self.layers]},
            }
        ).encode()

    @property
    def manifest(self) -> bytes:
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(CONFIG, self.config),
                "layers": [_descriptor(LAYER, each) for each in self.layers],
            }
        ).encode()


@cache
def digest(data: bytes) -> str:
    """Name bytes by their hash; once for each, as a layer has many megabytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest(data), "size": len(data)}


def layer(files: Mapping[str, File]) -> bytes:
    """Make a layer of files, given by their paths without the first slash; folders come by themselves."""
    data = io.BytesIO()
    folders: set[str] = set()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, file in sorted(files.items()):
            for parent in reversed(PurePosixPath(name).parents[:-1]):
                if str(parent) not in folders and str(parent) not in files:
                    folders.add(str(parent))
                    _add(tar, str(parent), File(None, 0o755))
            _add(tar, name, file)
    return data.getvalue()


def _add(tar: tarfile.TarFile, name: str, file: File) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = file.mode
    content = file.content
    if isinstance(content, Path):
        entry.mtime = int(content.stat().st_mtime)  # Python holds its compiled files against it
        content = content.read_bytes()
    if content is None:
        entry.type = tarfile.DIRTYPE
    elif isinstance(content, str):
        entry.type, entry.linkname = tarfile.SYMTYPE, content
    else:
        entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)


def push(image: Image, registry: str, name: str) -> str:
    """Put an image into a registry that speaks plain HTTP; give its reference by digest."""
    root = f"http://{registry}/v2/{name}"
    with urllib3.PoolManager(retries=False) as pool:
        for blob in (*image.layers, image.config):
            if pool.request("HEAD", f"{root}/blobs/{digest(blob)}").status == 200:
                continue
            place = _ok(pool.request("POST", f"{root}/blobs/uploads/")).headers["Location"]
            kind = {"Content-Type": "application/octet-stream"}
            mark = "&" if "?" in place else "?"
            _ok(pool.request("PUT", f"{place}{mark}digest={digest(blob)}", body=blob, headers=kind))
        manifest = image.manifest
        kind = {"Content-Type": MANIFEST}
        _ok(pool.request("PUT", f"{root}/manifests/{digest(manifest)}", body=manifest, headers=kind))
    return f"{registry}/{name}@{digest(manifest)}"


def _ok(answer: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse:
    if answer.status >= 400:
        raise RuntimeError(f"the registry answered {answer.status}: {answer.data.decode(errors='replace')}")
    return answer


def archive(image: Image, reference: str, path: Path) -> None:
    """Write an archive that `ctr images import` reads, under a name with a tag."""
    layers = [f"{number}.tar" for number in range(len(image.layers))]
    listed = {"Config": "config.json", "RepoTags": [reference], "Layers": layers}
    files = dict(zip(layers, image.layers, strict=True)) | {
        "config.json": image.config,
        "manifest.json": json.dumps([listed]).encode(),
    }
    path.write_bytes(layer({name: File(data) for name, data in files.items()}))
