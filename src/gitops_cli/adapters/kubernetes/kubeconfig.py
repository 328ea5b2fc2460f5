"""The reader of kubeconfigs, a program of its own: where to look on standard input, what was found on output.

The `kubernetes` package logs what an exec plugin says, writes keys into temporary files and takes 0.5 s to
import. All of that ends with this process. Nothing that is printed as a problem holds a value of the file.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from gitops_cli.adapters.kubernetes.access import Access, Read, Where

_CLUSTER_FILES = ("certificate-authority",)
_USER_FILES = ("client-certificate", "client-key", "tokenFile")


class _Target:
    """Takes what the loaders of the package set, in place of its `Configuration` (1 s to import)."""

    def __init__(self) -> None:
        self.api_key: dict[str, str] = {}
        self.host = ""
        self.ssl_ca_cert: str | None = None
        self.cert_file: str | None = None
        self.key_file: str | None = None
        self.verify_ssl = True
        self.tls_server_name = ""
        self.proxy = ""


def read(where: Where, folder: str) -> Read:
    """Read a kubeconfig, or a pod's service account; keys lie in `folder` meanwhile."""
    if where.kubeconfig is None:
        return _in_cluster(where)
    if not where.kubeconfig.is_file():
        return Read(problem="there is no such kubeconfig")
    return _from_file(where, where.kubeconfig, folder)


def _from_file(where: Where, path: Path, folder: str) -> Read:
    from kubernetes.config import kube_config  # noqa: PLC0415 - 0.4 s
    from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415 - as above

    package: Any = kube_config  # it has no types
    try:
        loader = package.KubeConfigLoader(
            config_dict=package.KubeConfigMerger(str(path)).config,
            config_base_path=None,  # names in a file are beside it
            active_context=where.context or None,
            temp_file_path=folder,
        )
        target = _Target()
        loader.load_and_set(target)
    except ConfigException as error:
        return Read(problem=_problem(where, str(error)))
    context = loader.current_context["context"]
    cluster: dict[str, Any] = loader._cluster.value  # noqa: SLF001 - it is shown nowhere else
    user: dict[str, Any] = loader._user.value if loader._user else {}  # noqa: SLF001 - as above
    if problem := _unusable(target, user):
        return Read(problem=problem)
    token_file = str(path.parent / user["tokenFile"]) if user.get("tokenFile") else ""
    expiry = getattr(loader, "expiry", None)
    access = Access(
        server=target.host,
        namespace=context.get("namespace") or "",
        ca=_text(target.ssl_ca_cert),
        tls_name=target.tls_server_name,
        proxy=target.proxy,
        client_cert=_text(target.cert_file),
        client_key=_text(target.key_file),
        token="" if token_file else target.api_key.get("BearerToken", ""),
        token_file=token_file,
        expires=expiry.timestamp() if expiry and "exec" in user else 0.0,
    )
    named = [cluster.get(key) for key in _CLUSTER_FILES] + [user.get(key) for key in _USER_FILES]
    return Read(access=access, files=[str(path), *(str(path.parent / name) for name in named if name)])


def _in_cluster(where: Where) -> Read:
    from kubernetes.config import incluster_config  # noqa: PLC0415 - 0.4 s
    from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415 - as above

    package: Any = incluster_config
    token, authority = where.service_account / "token", where.service_account / "ca.crt"
    target = _Target()
    try:
        loader = package.InClusterConfigLoader(str(token), str(authority), try_refresh_token=False)
        loader.load_and_set(target)
    except ConfigException as error:
        return Read(problem=f"this is no pod with a service account: {error}")
    namespace = where.service_account / "namespace"
    access = Access(
        server=target.host,
        namespace=_text(str(namespace)) if namespace.is_file() else "",
        ca=_text(str(authority)),
        token_file=str(token),
    )
    return Read(access=access, files=[str(authority)])


def _unusable(target: _Target, user: dict[str, Any]) -> str:
    if not target.verify_ssl:
        return (
            "the kubeconfig says insecure-skip-tls-verify: anybody between could read the credential; "
            "give certificate-authority-data instead"
        )
    if "exec" in user and not (target.api_key or target.cert_file):
        command = user["exec"].get("command", "")
        return f"the exec plugin {command} gave no credential; run it by hand to see why"
    return ""


def _problem(where: Where, said: str) -> str:
    if where.context and "contexts" in said:
        return f"the kubeconfig has no context {where.context}"
    return said.splitlines()[0] if said else "the kubeconfig cannot be read"


def _text(path: str | None) -> str:
    return Path(path).read_text(encoding="utf-8") if path else ""


def main() -> None:
    """Read standard input, write standard output."""
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = read(Where.of(sys.stdin.buffer.read()), folder)
        except Exception as error:  # noqa: BLE001 - a broken kubeconfig raises anything; its text may hold values
            found = Read(problem=f"the kubeconfig cannot be read ({type(error).__name__})")
        sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
