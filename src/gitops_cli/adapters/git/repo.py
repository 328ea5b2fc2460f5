"""A repository and what it holds, read by object id. Names are resolved once; from there on ids alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from gitops_cli.adapters.git import command
from gitops_cli.adapters.git.batch import MAX_BLOB, ObjectReader
from gitops_cli.adapters.git.names import is_oid
from gitops_cli.adapters.git.tree import LIMITS, GitTree, list_tree
from gitops_cli.adapters.text import safe
from gitops_cli.errors import BadInput, Failed, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_SUBJECT = 200
_AUTHOR = {
    "GIT_AUTHOR_NAME": "gitops",
    "GIT_AUTHOR_EMAIL": "gitops@localhost",
    "GIT_COMMITTER_NAME": "gitops",
    "GIT_COMMITTER_EMAIL": "gitops@localhost",
}


class Commit(msgspec.Struct, frozen=True):
    """One commit. Author and subject are valid text, cut, not yet escaped; `time`: seconds since 1970."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: str
    subject: str
    time: int


class Repo:
    """A git directory; with `quarantine`, as pre-receive sees it. Holds one `cat-file` process: close it."""

    def __init__(self, path: command.AnyPath, quarantine: command.AnyPath | None = None) -> None:
        """`path` is the git directory itself, `quarantine` the folder of the objects that are coming in."""
        self.place = command.Place(path, quarantine)
        self._objects = ObjectReader(self.place)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End the process that reads objects; reading again starts another."""
        self._objects.close()

    def resolve(self, name: str) -> str:
        """Give the id that a name stands for now, or "" when there is none.

        A full ref name (`refs/...`) gives exactly that ref's value, a tag's too. Anything else is read as
        git reads it and gives a commit. Raises `Unavailable` (`ref.broken`) for a ref that cannot be read.
        """
        if name.startswith("refs/"):
            return self.refs(name).get(name) or self._absent(name)
        args = ["rev-parse", "--verify", "-q", "--end-of-options", name + "^{commit}"]
        found = command.call(self.place, args, ok=(0, 1, 128)).out.decode("ascii", "replace").strip()
        return found if is_oid(found) else ""

    def refs(self, prefix: str) -> dict[str, str]:
        """Give name and value of every ref that is `prefix` or lies below it (`refs/heads`)."""
        args = ["for-each-ref", "--format=%(objectname) %(refname)", "--", prefix.rstrip("/")]
        out = command.call(self.place, args).out.decode("utf-8", "surrogateescape")
        return {name: oid for oid, _, name in (line.partition(" ") for line in out.split("\n")) if name}

    def tree_of(self, commit: str) -> str:
        """Give the id of a commit's tree."""
        return self.commit(commit).tree

    def commit(self, oid: str) -> Commit:
        """Read a commit. Raises `BadInput` (`ref.no-commit`) when the id is something else."""
        ((_, kind, data),) = self._objects.read([oid])
        if kind != "commit":
            raise BadInput(f"{oid[:12]} is a {kind}, not a commit", code="ref.no-commit")
        head, _, message = data.partition(b"\n\n")
        return _parse_commit(oid, head.decode("utf-8", "replace"), message)

    def kinds(self, oids: Iterable[str]) -> dict[str, str]:
        """Give the type of each object, "missing" for one that is not there."""
        asked = list(dict.fromkeys(oids))
        data = "".join(f"{oid}\n" for oid in asked).encode("ascii")
        out = command.call(self.place, ["cat-file", "--batch-check=%(objecttype)"], data=data).out
        answers = [line.rpartition(" ")[2] for line in out.decode("ascii").splitlines()]
        return dict(zip(asked, answers, strict=True))

    def is_ancestor(self, old: str, new: str) -> bool:
        """Say whether `new` contains `old`."""
        args = ["merge-base", "--is-ancestor", "--end-of-options", old, new]
        return command.call(self.place, args, ok=(0, 1)).code == 0

    def count(self, old: str, new: str) -> int:
        """Count the commits of `new` that `old` does not contain; an empty `old` contains nothing."""
        args = ["rev-list", "--count", "--end-of-options", new, *([f"^{old}"] if old else [])]
        return int(command.call(self.place, args).out)

    def tree(self, treeish: str) -> GitTree:
        """List a commit or tree within `tree.LIMITS`. Raises `BadInput`, `LimitExceeded`."""
        return GitTree(treeish[:7], list_tree(self.place, treeish), self._objects, LIMITS.blob)

    def export(self, treeish: str, dest: Path) -> None:
        """Write a tree below `dest`, all or nothing; see `export.export`."""
        from gitops_cli.adapters.git.export import export  # noqa: PLC0415 - hooks never export

        export(self._objects, list_tree(self.place, treeish), dest)

    def read_many(self, oids: Iterable[str], limit: int = MAX_BLOB) -> dict[str, bytes]:
        """Give the bytes of these objects; `limit` in bytes of each."""
        return {oid: data for oid, _, data in self._objects.read(dict.fromkeys(oids), limit)}

    def read_path(self, commit: str, path: str, limit: int = MAX_BLOB) -> bytes:
        """Give one file of a commit. Raises `BadInput` when it is not there."""
        args = ["rev-parse", "--verify", "-q", "--end-of-options", f"{commit}:{path}"]
        oid = command.call(self.place, args, ok=(0, 1, 128)).out.decode("ascii", "replace").strip()
        if not is_oid(oid):
            raise BadInput(f"no {safe(path)} in {commit[:7]}", code="tree.no-file", file=safe(path))
        return self.read_many([oid], limit)[oid]

    def write_commit(self, files: Mapping[str, bytes], parents: Sequence[str], message: str) -> str:
        """Write a commit of these files (plain names, no folders) and give its id; no ref moves."""
        lines = []
        for name, data in sorted(files.items()):
            if "/" in name:
                raise Failed(f"{name} is no plain name", code="git.failed")
            oid = self._made(["hash-object", "-w", "--stdin", "--no-filters"], data)
            lines.append(f"100644 blob {oid}\t{name}\0".encode())
        tree = self._made(["mktree", "-z"], b"".join(lines))
        above = [word for parent in parents for word in ("-p", parent)]
        return self._made(["commit-tree", *above, "-F", "-", tree], message.encode("utf-8", "replace"))

    def _made(self, args: Sequence[str], data: bytes) -> str:
        env = self.place.environment() | _AUTHOR
        return command.call(self.place, args, data=data, env=env).out.decode("ascii").strip()

    def _absent(self, name: str) -> str:
        """Tell a ref that is not there from one whose file is damaged: git lists neither."""
        try:
            with open(f"{self.place.repo}/{name}", "rb") as file:  # noqa: PTH123 - no pathlib in pre-push
                held = file.read(4096)
        except (OSError, ValueError):
            return ""
        value = held.decode("ascii", "replace").strip()
        if is_oid(value):
            return value
        raise Unavailable(
            f"the ref {safe(name)} is damaged: its file holds {len(held)} bytes that are no object id",
            code="ref.broken",
            next_command="gitops recover",
        )


def _parse_commit(oid: str, head: str, message: bytes) -> Commit:
    fields: dict[str, list[str]] = {}
    for line in head.split("\n"):
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    author = fields.get("author", [""])[0]
    who, _, when = author.rpartition("> ")
    seconds = when.partition(" ")[0]
    subject = message[: 8 * _SUBJECT].lstrip(b"\n").partition(b"\n")[0].decode("utf-8", "replace")
    return Commit(
        oid=oid,
        tree=fields["tree"][0],
        parents=tuple(fields.get("parent", ())),
        author=(who + ">" if who else author)[:_SUBJECT],
        subject=subject[:_SUBJECT],
        time=int(seconds) if seconds.isdigit() and len(seconds) < 16 else 0,  # noqa: PLR2004 - beyond any date
    )
