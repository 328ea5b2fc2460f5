"""How a server is reached: what is read from kubeconfigs and pods, what is kept, and what is never shown."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import socketserver
import ssl
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gitops_cli.adapters import processes
from gitops_cli.adapters.kubernetes import access as access_module
from gitops_cli.adapters.kubernetes.access import Access, Where, access_of
from gitops_cli.adapters.kubernetes.client import Client
from gitops_cli.adapters.kubernetes.problems import ApiProblem
from gitops_cli.errors import Unavailable
from tests.cluster import kubeconfig as files
from tests.cluster import pki

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cluster.given import Cluster

TOKEN = "very-secret-token"


def write(path: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Path:
    found = {"server": "https://127.0.0.1:1"} | (cluster or {})
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": found}],
        "users": [{"name": "u", "user": {"token": TOKEN} if user is None else user}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def refusal(call: Callable[[], object]) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        call()
    return caught.value


@pytest.fixture
def no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test whose cache does not hold."""
    monkeypatch.setattr(access_module, "_READER", "there_is_no_such_module")


def test_what_was_read_is_kept_privately_and_is_enough(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = Where(kubeconfig=write(tmp_path / "config"))
    state = tmp_path / "state" / "kubernetes"
    first = access_of(where, state)
    assert (first.server, first.namespace, first.token) == ("https://127.0.0.1:1", "shop", f"Bearer {TOKEN}")
    assert stat.S_IMODE((state / "access.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    request.getfixturevalue("no_reader")
    assert access_of(where, state) == first


def test_what_changed_is_read_anew(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("one")
    where = Where(kubeconfig=write(tmp_path / "config", cluster={"certificate-authority": "ca.pem"}))
    assert access_of(where, tmp_path).ca == "one"
    authority.write_text("three")
    assert access_of(where, tmp_path).ca == "three"
    write(tmp_path / "config", user={"token": "other"})
    assert access_of(where, tmp_path).token == "Bearer other"


def test_a_damaged_cache_is_read_anew(tmp_path: Path) -> None:
    where = Where(kubeconfig=write(tmp_path / "config"))
    first = access_of(where, tmp_path)
    (tmp_path / "access.json").write_bytes(b'{"where": 1')
    assert access_of(where, tmp_path) == first


def test_nothing_shows_a_credential() -> None:
    found = Access(
        server="https://s", token=f"Bearer {TOKEN}", client_key="key of the client", client_cert="c"
    )
    assert repr(found) == "Access(server='https://s', namespace='')"
    assert TOKEN not in f"{found} {found.digest}"


def test_the_kubernetes_package_is_not_imported_by_who_speaks_to_a_cluster(tmp_path: Path) -> None:
    where = Where(kubeconfig=write(tmp_path / "config"))
    code = (
        "import sys; from pathlib import Path\n"
        "from gitops_cli.adapters.kubernetes.access import Where, access_of\n"
        "import gitops_cli.adapters.kubernetes.client, gitops_cli.adapters.kubernetes.rights\n"
        f"access_of(Where(kubeconfig=Path({str(where.kubeconfig)!r})), Path({str(tmp_path)!r}))\n"
        "print(' '.join(name for name in sys.modules if name.split('.')[0] in ('kubernetes', 'yaml', 'requests')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda path: path.unlink(), "there is no such kubeconfig"),
        (lambda path: path.write_text("contexts: [}"), "cannot be read"),
        (lambda path: path.write_text(""), "is empty"),
        (lambda path: path.write_text(f"a: {TOKEN}"), "current-context"),
        (lambda path: write(path, cluster={"insecure-skip-tls-verify": True}), "insecure-skip-tls-verify"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, change: Callable[[Path], object], says: str
) -> None:
    path = write(tmp_path / "config")
    change(path)
    error = refusal(lambda: access_of(Where(kubeconfig=path), tmp_path))
    assert (error.code, error.file) == ("kubernetes.access", str(path))
    assert says in error.cause
    assert TOKEN not in str(error)
    assert "\n" not in str(error)
    assert not (tmp_path / "access.json").exists()


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    where = Where(kubeconfig=write(tmp_path / "config"), context="elsewhere")
    assert "elsewhere" in refusal(lambda: access_of(where, tmp_path)).cause


def plugin(tmp_path: Path, body: str) -> dict[str, Any]:
    script = tmp_path / "plugin"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(script),
            "interactiveMode": "Never",
            "env": [{"name": "PROFILE", "value": "shop"}],
        }
    }


def credential(token: str, expires: float) -> str:
    status = {
        "token": token,
        "expirationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
    }
    return json.dumps(
        {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    )


def test_an_exec_plugin_is_asked_until_what_it_gave_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    runs = tmp_path / "runs"
    answer = tmp_path / "answer"
    user = plugin(tmp_path, f'echo "$PROFILE $GIT_DIR" >> {runs}; cat {answer}')
    where = Where(kubeconfig=write(tmp_path / "config", user=user))
    answer.write_text(credential("first", time.time() + 3600))
    assert access_of(where, tmp_path).token == "Bearer first"
    assert access_of(where, tmp_path).token == "Bearer first"
    assert runs.read_text() == "shop \n"  # its own variables, and nothing of a hook's
    answer.write_text(credential("second", time.time() + 30))
    assert access_of(where, tmp_path, fresh=True).token == "Bearer second"
    answer.write_text(credential("third", time.time() + 3600))
    assert access_of(where, tmp_path).token == "Bearer third"
    assert len(runs.read_text().splitlines()) == 3


@pytest.mark.parametrize("body", [f"echo {TOKEN} >&2; exit 3", f"echo {TOKEN}", "echo '{}'"])
def test_an_exec_plugin_that_fails_is_named_without_what_it_said(tmp_path: Path, body: str) -> None:
    where = Where(kubeconfig=write(tmp_path / "config", user=plugin(tmp_path, body)))
    error = refusal(lambda: access_of(where, tmp_path))
    assert str(tmp_path / "plugin") in error.cause
    assert TOKEN not in str(error)


def test_a_pod_reads_its_token_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text("first")
    (folder / "ca.crt").write_text("authority")
    (folder / "namespace").write_text("shop")
    where = Where(service_account=folder)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert "no pod" in refusal(lambda: access_of(where, tmp_path)).cause
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    found = access_of(where, tmp_path)
    assert (found.server, found.namespace, found.ca) == ("https://10.0.0.1:443", "shop", "authority")
    assert found.authorization() == "Bearer first"
    (folder / "token").write_text("second\n")
    assert found.authorization() == "Bearer second"
    assert b"first" not in (tmp_path / "access.json").read_bytes()
    (folder / "token").unlink()
    assert refusal(found.authorization).code == "kubernetes.access"


def test_a_server_without_tls_is_refused_unless_it_is_this_machine(tmp_path: Path) -> None:
    made = Client(Access(server="http://127.0.0.1:1"), state=tmp_path, patience=0)
    made.close()
    error = refusal(lambda: Client(Access(server="http://example.org"), state=tmp_path))
    assert "without TLS" in error.cause


@pytest.mark.parametrize("server", ["", "ftp://example.org", "https://", "https://[bad"])
def test_a_url_that_is_none_is_refused(tmp_path: Path, server: str) -> None:
    error = refusal(lambda: Client(Access(server=server), state=tmp_path))
    assert error.code == "kubernetes.access"


class Greeter(http.server.BaseHTTPRequestHandler):
    """Tells a client the name in its certificate."""

    def do_GET(self) -> None:
        assert isinstance(self.connection, ssl.SSLSocket)
        shown: Any = self.connection.getpeercert()
        body = json.dumps(dict(pair for part in shown["subject"] for pair in part)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # a client whose certificate is not accepted
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def strict_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A server that demands a client certificate: the test cluster knows tokens only."""
    signer = pki.authority(tmp_path, "signer")
    mine = pki.server(tmp_path, "server", signer, ["IP:127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=signer.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(mine.certificate, mine.key)
    pki.openssl(
        "req", "-x509", "-CA", signer.certificate, "-CAkey", signer.key, "-newkey", "rsa:2048", "-nodes",
        "-keyout", tmp_path / "somebody.key", "-out", tmp_path / "somebody.crt", "-subj", "/CN=somebody",
        "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth",
    )  # fmt: skip
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeter) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"server": f"https://127.0.0.1:{server.server_port}", "certificate-authority": "signer.crt"}
        server.shutdown()


def test_a_client_certificate_is_shown(tmp_path: Path, strict_server: dict[str, str]) -> None:
    user = {"client-certificate": "somebody.crt", "client-key": "somebody.key"}
    config = write(tmp_path / "config", cluster=strict_server, user=user)
    client = Client.to(Where(kubeconfig=config), state=tmp_path / "state")
    assert client.request("GET", "/") == {"commonName": "somebody"}
    client.close()


@pytest.mark.parametrize(
    ("name", "says"), [("server", "unsupported certificate"), ("", "certificate required")]
)
def test_a_client_certificate_that_is_not_accepted_is_told(
    tmp_path: Path, strict_server: dict[str, str], name: str, says: str
) -> None:
    """One for servers shows the wrong purpose; none at all is as bad.

    The server's alert may be overtaken by the end of the connection: then the second try tells.
    """
    user = {"client-certificate": f"{name}.crt", "client-key": f"{name}.key"} if name else {}
    config = write(tmp_path / "config", cluster=strict_server, user=user)
    client = Client.to(Where(kubeconfig=config), state=tmp_path / "state")
    error = refusal(lambda: client.request("GET", "/"))
    assert error.code == "kubernetes.certificate"
    assert says in error.cause
    client.close()


@pytest.mark.parametrize("what", ["client-certificate", "client-key", "certificate-authority"])
def test_a_certificate_that_is_none_is_told(tmp_path: Path, what: str) -> None:
    pair = pki.authority(tmp_path, "pair")
    texts = {
        "client-certificate": pair.certificate.read_text(),
        "client-key": pair.key.read_text(),
        "certificate-authority": pair.certificate.read_text(),
    } | {what: "-----BEGIN NOTHING-----"}
    access = Access(
        server="https://127.0.0.1:1",
        ca=texts["certificate-authority"],
        client_cert=texts["client-certificate"],
        client_key=texts["client-key"],
    )
    assert refusal(lambda: Client(access, state=tmp_path)).code == "kubernetes.access"


@pytest.mark.cluster
def test_a_credential_that_is_no_longer_accepted_is_read_anew_once(
    control_plane: Cluster, tmp_path: Path
) -> None:
    _, cluster, user = files.current(control_plane.kubeconfig)
    answer = tmp_path / "answer"
    answer.write_text(credential("revoked", time.time() + 3600))
    config = write(tmp_path / "config", cluster=cluster, user=plugin(tmp_path, f"cat {answer}"))
    where, state = Where(kubeconfig=config), tmp_path / "state"
    access_of(where, state)
    stale = Client.to(where, state=state)
    with pytest.raises(ApiProblem) as caught:
        stale.request("GET", "/api/v1/namespaces/default")
    assert (caught.value.code, stale.sent) == ("kubernetes.credential", 2)
    assert "revoked" not in str(caught.value).replace("wrong, revoked or expired", "")
    stale.close()
    client = Client.to(where, state=state)
    answer.write_text(credential(user["token"], time.time() + 3600))
    answers = client.together([lambda: client.request("GET", "/api/v1/namespaces/default")] * 16)
    assert not [one for one in answers if isinstance(one, Exception)]
    client.close()


class Tunnel(socketserver.StreamRequestHandler):
    """An HTTP proxy that makes tunnels."""

    def handle(self) -> None:
        asked = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        self.server.asked.append(asked)  # type: ignore[attr-defined]  # set by the test
        host, _, port = asked.rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(there, self.connection))
            back.start()
            self._copy(self.connection, there)
            back.join()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.mark.cluster
def test_a_proxy_of_the_kubeconfig_is_used_and_one_of_the_environment_is_not(
    control_plane: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    _, cluster, user = files.current(control_plane.kubeconfig)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as tunnel:
        tunnel.daemon_threads = True
        tunnel.asked = []  # type: ignore[attr-defined]  # read above
        threading.Thread(target=tunnel.serve_forever, daemon=True).start()
        through = cluster | {"proxy-url": f"http://127.0.0.1:{tunnel.server_address[1]}"}
        for entry, expected in ((cluster, 0), (through, 1)):
            config = write(tmp_path / "config", cluster=entry, user={"token": user["token"]})
            client = Client.to(Where(kubeconfig=config), state=tmp_path / "state")
            client.request("GET", "/api/v1/namespaces/default")
            client.close()
            assert len(tunnel.asked) == expected  # type: ignore[attr-defined]  # as above
        tunnel.shutdown()
    assert tunnel.asked == [cluster["server"].removeprefix("https://")]  # type: ignore[attr-defined]  # as above


@pytest.mark.cluster
def test_a_proxy_that_is_not_there_is_told(control_plane: Cluster, tmp_path: Path) -> None:
    _, cluster, user = files.current(control_plane.kubeconfig)
    entry = cluster | {"proxy-url": f"http://127.0.0.1:{processes.free_port()}"}
    config = write(tmp_path / "config", cluster=entry, user=user)
    found = access_of(Where(kubeconfig=config), tmp_path / "state")
    client = Client(found, state=tmp_path / "state", patience=0.5)
    error = refusal(lambda: client.request("GET", "/api/v1/namespaces/default"))
    assert (error.code, "proxy" in error.cause) == ("kubernetes.unreachable", True)
    client.close()
