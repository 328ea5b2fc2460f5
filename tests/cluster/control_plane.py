"""etcd, the API server, the controllers and the scheduler. No root needed; without a node, pods stay Pending."""

from __future__ import annotations

import ipaddress
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cluster import kubeconfig, pki
from tests.cluster.parts import free_port, wait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.parts import Parts

ADMIN = "admin"
DISPOSABLE = "gitops.test/disposable"
"""The label on the namespace `default` of a cluster that may be thrown away."""
USERS = (ADMIN, "part:controllers", "part:scheduler", "part:kubelet", "part:proxy", "part:dns")
"""One user for each part, so that the audit log tells a test's requests from the cluster's own."""

AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # A request is seen when it comes too: a reader knows that way which answers are still to be written.
    "rules": [{"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]}, {"level": "Metadata"}],
}  # fmt: skip


@dataclass(frozen=True)
class Address:
    """Where the API server listens, and the Services it gives out."""

    host: str
    port: int
    services: str

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"


def start(parts: Parts, address: Address) -> None:
    """Start them; return when objects are admitted and controllers run."""
    folder = parts.folder
    tokens = {name: secrets.token_hex(16) for name in USERS}
    parts.write(
        "tokens.csv", "".join(f"{token},{name},{name},system:masters\n" for name, token in tokens.items())
    )
    first = next(ipaddress.ip_network(address.services).hosts())
    authority = pki.authority(folder, "authority")
    names = (
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    addresses = dict.fromkeys((address.host, str(first), "127.0.0.1"))
    certificate = pki.server(
        folder, "server", authority, [f"DNS:{name}" for name in names] + [f"IP:{each}" for each in addresses]
    )
    key = pki.signing_key(folder / "service-accounts.key")
    _api_server(parts, address, certificate, key, _etcd(parts))
    entry = kubeconfig.entry(address.url, authority.certificate)
    for name, token in tokens.items():
        kubeconfig.write(folder / user_file(name), entry, token)
    wait("the API server", lambda: _alive(parts) and parts.kubectl("get", "--raw", "/readyz"))
    common = ("--leader-elect=false", "--bind-address=127.0.0.1", "--cert-dir", folder / "certificates")
    parts.start(
        "kube-controller-manager", *common, "--secure-port", str(free_port()),
        "--kubeconfig", folder / user_file("part:controllers"), "--use-service-account-credentials",
        "--service-account-private-key-file", key, "--root-ca-file", authority.certificate,
    )  # fmt: skip
    parts.start(
        "kube-scheduler", *common, "--secure-port", str(free_port()),
        "--kubeconfig", folder / user_file("part:scheduler"),
    )  # fmt: skip
    wait("the default service account", lambda: parts.kubectl("get", "serviceaccount", "default"))
    wait(
        "the label",
        lambda: parts.kubectl("label", "--overwrite", "namespace", "default", f"{DISPOSABLE}=true"),
    )


def user_file(name: str) -> str:
    """Name the kubeconfig of one of the users."""
    return "kubeconfig" if name == ADMIN else f"kubeconfig-{name.removeprefix('part:')}"


def _alive(parts: Parts) -> bool:
    ended = parts.ended()
    if ended:
        raise RuntimeError(f"{ended} ended while it was awaited")
    return True


def _etcd(parts: Parts) -> str:
    clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    parts.start(
        "etcd", "--data-dir", parts.folder / "etcd", "--unsafe-no-fsync", "--log-level=warn",
        "--listen-client-urls", clients, "--advertise-client-urls", clients,
        "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
        "--initial-cluster", f"default={peers}",
    )  # fmt: skip
    return clients


def _api_server(parts: Parts, address: Address, certificate: pki.Pair, key: Path, etcd: str) -> None:
    folder = parts.folder
    policy = parts.write("audit-policy.yaml", json.dumps(AUDIT))
    parts.start(
        "kube-apiserver", "--etcd-servers", etcd, "--service-cluster-ip-range", address.services,
        "--bind-address", address.host, "--advertise-address", address.host, "--secure-port", str(address.port),
        "--cert-dir", folder / "certificates",
        "--tls-cert-file", certificate.certificate, "--tls-private-key-file", certificate.key,
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file", key, "--service-account-signing-key-file", key,
        "--token-auth-file", folder / "tokens.csv", "--authorization-mode=Node,RBAC",
        "--allow-privileged", "--kubelet-preferred-address-types=InternalIP",
        "--audit-policy-file", policy, "--audit-log-path", folder / "audit.log",
        "--audit-log-mode=blocking", "--audit-log-maxsize=4096",
    )  # fmt: skip
