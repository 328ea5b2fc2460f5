"""Who we are to an API server: its address and certificate, and our credential.

Read with the official `kubernetes` package (`kubeconfig`, in a process of its own: 0.7 s) and kept in
`access.json`, mode 0600, for as long as the files that it came from stay as they are.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import sys
from pathlib import Path

import msgspec

from gitops_cli.adapters import processes
from gitops_cli.adapters.clock import now
from gitops_cli.adapters.files import private_dir, read_or_none, write_atomic
from gitops_cli.errors import Unavailable

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_READER = "gitops_cli.adapters.kubernetes.kubeconfig"
_SECONDS = 60.0
"""An exec plugin may ask a cloud."""
_EARLY = 60.0
"""A credential that ends within this time is read anew."""


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """What remote.yaml says about a cluster."""

    kubeconfig: Path | None = None
    """None: the service account of the pod that we run in."""
    context: str = ""
    """Empty: the current one."""
    service_account: Path = SERVICE_ACCOUNT
    """The folder that holds a pod's token and authority."""

    def text(self) -> str:
        """Write it for the reader."""
        return msgspec.json.encode(self, enc_hook=str).decode()

    @classmethod
    def of(cls, text: bytes) -> Where:
        """Read what `text` wrote."""
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach an API server. Its `repr` shows no credential."""

    server: str
    """Its URL."""
    namespace: str = ""
    """Of the context, or of the pod."""
    ca: str = ""
    """PEM of the authorities to trust; empty: those of the machine."""
    tls_name: str = ""
    """The name in the server's certificate, when it is not that of the URL."""
    proxy: str = ""
    client_cert: str = ""
    """PEM."""
    client_key: str = ""
    """PEM."""
    token: str = ""
    """The value of the header: `Bearer …`."""
    token_file: str = ""
    """Read again each minute: a pod's token is replaced before it expires."""
    expires: float = 0.0
    """When an exec plugin's credential does, in seconds since 1970; 0: unknown."""

    def __repr__(self) -> str:
        return f"Access(server={self.server!r}, namespace={self.namespace!r})"

    @property
    def digest(self) -> str:
        """Name server and credential without telling them: what is cached for one is not used for another."""
        parts = (self.server, self.client_cert, self.token_file or self.token)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def authorization(self) -> str:
        """Give the value of the header `Authorization`, empty for none. Raises `Unavailable`."""
        if not self.token_file:
            return self.token
        try:
            return f"Bearer {Path(self.token_file).read_text(encoding='ascii').strip()}"
        except (OSError, ValueError) as error:
            raise Unavailable("the token's file cannot be read", code="kubernetes.access") from error


class Read(msgspec.Struct):
    """What the reader prints."""

    access: Access | None = None
    files: list[str] = []
    """What it came from."""
    problem: str = ""


class _Kept(msgspec.Struct):
    where: str
    stamps: list[tuple[str, int, int]]
    access: Access


def access_of(where: Where, state: Path, *, fresh: bool = False) -> Access:
    """Give the way to a cluster, from the folder `state` if nothing it came from has changed.

    With `fresh` it is read anew. Raises `Unavailable` when there is no such file or context, or an exec
    plugin fails.
    """
    path, asked = state / "access.json", where.text()
    kept = None if fresh else _kept(path)
    if kept and kept.where == asked and _is_good(kept):
        return kept.access
    found = _read(where)
    if found.access is None:
        raise Unavailable(found.problem, code="kubernetes.access", file=_shown(where))
    new = _Kept(asked, [_stamp(name) for name in found.files], found.access)
    private_dir(state)
    write_atomic(path, msgspec.json.encode(new))
    return found.access


def _kept(path: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(read_or_none(path) or b"", type=_Kept)
    except msgspec.MsgspecError:
        return None


def _is_good(kept: _Kept) -> bool:
    fresh = not kept.access.expires or kept.access.expires - _EARLY > now()
    return fresh and all(_stamp(name) == (name, *rest) for name, *rest in kept.stamps)


def _stamp(name: str) -> tuple[str, int, int]:
    try:
        found = os.stat(name)  # noqa: PTH116 - a name out of a kubeconfig
    except OSError:
        return name, 0, 0
    return name, found.st_mtime_ns, found.st_size


def _read(where: Where) -> Read:
    """Let the reader read, where its imports, logging and temporary files end with it."""
    extra = {"HOME": pwd.getpwuid(os.geteuid()).pw_dir}  # exec plugins keep their own credentials there
    names = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")  # a pod's way to its API server
    extra |= {name: os.environ[name] for name in names if name in os.environ}
    done = processes.run(
        [sys.executable, "-I", "-m", _READER],
        env=processes.clean_env(extra),
        data=where.text().encode(),
        timeout=_SECONDS,
    )
    try:
        return msgspec.json.decode(done.out, type=Read)
    except msgspec.MsgspecError as error:
        raise Unavailable(
            "the kubeconfig cannot be read", code="kubernetes.access", file=_shown(where)
        ) from error


def _shown(where: Where) -> str:
    return str(where.kubeconfig or where.service_account)
