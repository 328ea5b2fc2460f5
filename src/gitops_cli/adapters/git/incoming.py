"""What a push brings, read in its quarantine before anything of it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.adapters.git import command
from gitops_cli.adapters.git.batch import MAX_BLOB
from gitops_cli.errors import BadRef, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitops_cli.adapters.git.repo import Repo

MIB = 1 << 20
MAX_OBJECTS = 1_000_000
_CHUNK = 1 << 16


def check_sizes(repo: Repo, limit: int = MAX_BLOB) -> None:
    """Refuse an incoming object larger than `limit` bytes unpacked: 300 MB of zeros travel as 6 MB.

    Reads headers only. Raises `LimitExceeded`.
    """
    for count, line in enumerate(_headers(repo)):
        kind, size, oid = line.decode("ascii").split()
        if int(size) > limit:
            raise LimitExceeded(
                f"the {kind} {oid[:12]} has {int(size) / MIB:.1f} MiB unpacked; "
                f"{limit / MIB:.0f} MiB are allowed",
                code="push.blob",
            )
        if count >= MAX_OBJECTS:
            raise LimitExceeded(f"more than {MAX_OBJECTS} new objects in one push", code="push.objects")


def _headers(repo: Repo) -> Iterator[bytes]:
    """Give type, size and id of the quarantine's objects: without alternates git sees no others."""
    check = "--batch-check=%(objecttype) %(objectsize) %(objectname)"
    args = ["cat-file", check, "--batch-all-objects", "--unordered"]
    child = command.start(repo.place, args, env=repo.place.incoming())
    rest = b""
    try:
        while piece := child.stdout.read(_CHUNK):
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines
    finally:
        child.finish()


def check_connected(repo: Repo, oids: Sequence[str]) -> None:
    """Refuse new ids that lack objects: a pack without its base, a shallow clone without the commits below.

    git refuses only such a ref, and later; the others of the push would be released without it.
    Raises `BadRef`.
    """
    args = ["rev-list", "--objects", "--quiet", "--stdin", "--not", "--all"]
    data = "".join(f"{oid}\n" for oid in oids).encode("ascii")
    if oids and command.call(repo.place, args, data=data, ok=(0, 1, 128), timeout=300).code != 0:
        raise BadRef(
            "the push lacks objects that its commits need",
            code="push.incomplete",
            next_command="git fetch --unshallow, then push again",
        )
