"""A node: containerd, kubelet, kube-proxy and DNS, and a registry. Runs inside the namespaces of `wire`."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from tests.cluster import images
from tests.cluster.control_plane import user_file
from tests.cluster.parts import wait

if TYPE_CHECKING:
    from tests.cluster.parts import Parts
    from tests.cluster.wire import Slot

SOCKET = "/run/containerd.sock"
CTR = ("ctr", "-a", SOCKET, "-n", "k8s.io")
PAUSE = "docker.io/library/pause:test"
NAME = "node"


def start(parts: Parts, slot: Slot) -> None:
    """Start them; return when a pod would run, find a Service by name and pull an image."""
    _registry(parts, slot)
    _containerd(parts, slot)
    _kubelet(parts, slot)
    _services(parts, slot)
    wait("Service routing", lambda: _routes("KUBE-SERVICES"))
    wait("the node", lambda: parts.kubectl("wait", f"node/{NAME}", "--for=condition=Ready", "--timeout=1s"))


def _registry(parts: Parts, slot: Slot) -> None:
    storage = {"filesystem": {"rootdirectory": str(parts.folder / "registry")}, "delete": {"enabled": True}}
    config = {"version": "0.1", "log": {"level": "warn"}, "storage": storage, "http": {"addr": slot.registry}}
    parts.start("docker-registry", "serve", parts.write("registry.yaml", json.dumps(config)))


def _containerd(parts: Parts, slot: Slot) -> None:
    addresses = {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": slot.pods}]]}
    bridge = {
        "type": "bridge", "bridge": "pods0", "isGateway": True, "hairpinMode": True,
        "ipam": addresses | {"routes": [{"dst": "0.0.0.0/0"}]},
    }  # fmt: skip
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    network = {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}
    parts.write("cni/10-pods.conflist", json.dumps(network))
    url = f"http://{slot.registry}"
    parts.write(f"registries/{slot.registry}/hosts.toml", f'server = "{url}"\n[host."{url}"]\n')
    parts.start("containerd", "--config", parts.write("containerd.toml", _containerd_settings(parts)))
    wait(
        "containerd",
        lambda: not subprocess.run([*CTR, "version"], capture_output=True, check=False).returncode,
    )
    pause = images.Image((images.layer({"pause": images.File(parts.assets / "pause", 0o755)}),), ("/pause",))
    archive = parts.folder / "pause.tar"
    images.archive(pause, PAUSE, archive)
    subprocess.run([*CTR, "images", "import", archive], check=True)


def _containerd_settings(parts: Parts) -> str:
    # Without CAP_SYS_RESOURCE and restrict_oom_score_adj every sandbox fails: "can't get final child's PID".
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{parts.folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{SOCKET}"
[{cri}]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
[{cri}.cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{parts.folder}/cni"
[{cri}.registry]
  config_path = "{parts.folder}/registries"
[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"""


def _kubelet(parts: Parts, slot: Slot) -> None:
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{SOCKET}", "address": slot.node,
        "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{slot.cgroup}", "failCgroupV1": False,
        "enforceNodeAllocatable": [], "failSwapOn": False, "serializeImagePulls": False,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "imagePullCredentialsVerificationPolicy": "NeverVerify",  # an image from an archive is as good as a pulled one
        "podLogsDir": str(parts.folder / "pod-logs"),
        "clusterDNS": [slot.dns], "clusterDomain": "cluster.local",
        "resolvConf": str(parts.write("resolv.conf", "")),
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }  # fmt: skip
    parts.start(
        "kubelet", "--config", parts.write("kubelet.json", json.dumps(settings)),
        "--kubeconfig", parts.folder / user_file("part:kubelet"),
        "--root-dir", parts.folder / "kubelet", "--cert-dir", parts.folder / "certificates",
        "--hostname-override", NAME, "--node-ip", slot.node,
    )  # fmt: skip


def _services(parts: Parts, slot: Slot) -> None:
    parts.start(
        "kube-proxy", "--kubeconfig", parts.folder / user_file("part:proxy"), "--hostname-override", NAME,
        "--proxy-mode=iptables", "--cluster-cidr", slot.pods, "--metrics-bind-address=127.0.0.1:10249",
        "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )  # fmt: skip
    config = parts.folder / user_file("part:dns")
    zone = f"errors\n  kubernetes cluster.local {{\n    kubeconfig {config}\n  }}"
    parts.start("coredns", "-conf", parts.write("Corefile", f".:53 {{\n  bind {slot.node}\n  {zone}\n}}\n"))
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": _dns(slot)})
    wait("DNS", lambda: parts.kubectl("apply", "-f", "-", stdin=objects))


def _dns(slot: Slot) -> list[dict[str, Any]]:
    ports = [{"name": f"dns-{each.lower()}", "port": 53, "protocol": each} for each in ("UDP", "TCP")]
    name = {"name": "kube-dns", "namespace": "kube-system"}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": name, "spec": {"clusterIP": slot.dns, "ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": name | {"labels": {"kubernetes.io/service-name": "kube-dns"}},
            "endpoints": [{"addresses": [slot.node], "conditions": {"ready": True}}], "ports": ports,
        },
    ]  # fmt: skip


def _routes(chain: str) -> bool:
    command = ["iptables", "-t", "nat", "-S", chain]
    return not subprocess.run(command, capture_output=True, check=False).returncode
