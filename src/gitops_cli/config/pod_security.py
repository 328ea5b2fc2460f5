"""The restricted Pod Security Standard as Kubernetes 1.35 checks it at admission; each fault has its place.

Written from the checks of `k8s.io/pod-security-admission`, and compared with the examples there, those that
pass and those that fail. Stricter in one thing: `hostUsers: false` excuses no root, as a server before 1.33
or a node without user namespaces ignores it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gitops_cli.config.pods import listed, mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitops_cli.config.pods import Pod
    from gitops_cli.config.yaml import Path

_VOLUMES = (
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image"),
    *("persistentVolumeClaim", "projected", "secret"),
)
_SYSCTLS = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
)
_SELINUX = ("container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_PROFILES = ("RuntimeDefault", "Localhost")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_UNSET: tuple[Any, ...] = (None, "", 0)  # and False, which equals 0


class Violation(NamedTuple):
    """One field that the standard forbids, or wants and does not find."""

    rule: str
    path: Path
    must: str
    """What the field must be."""


def violations(pod: Pod) -> Iterator[Violation]:
    """Give everything in a pod that is outside of the standard."""
    context = mapping(pod.spec.get("securityContext"))
    windows = mapping(pod.spec.get("os")).get("name") == "windows"
    yield from _pod(pod)
    yield from _volumes(pod)
    yield from _context(context, (*pod.path, "securityContext"))
    for path, container in pod.containers():
        own = mapping(container.get("securityContext"))
        yield from _context(own, (*path, "securityContext"))
        yield from _container(container, path)
        yield from _identity(own, context, (*path, "securityContext"))
        if not windows:  # where these three do not exist, and the server refuses them
            yield from _restricted(own, context, (*path, "securityContext"))


def _pod(pod: Pod) -> Iterator[Violation]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(field) not in _UNSET:
            yield Violation("host-namespaces", (*pod.path, field), "must not be set")
    context = mapping(pod.spec.get("securityContext"))
    for index, sysctl in enumerate(listed(context.get("sysctls"))):
        name = mapping(sysctl).get("name")
        if name not in _SYSCTLS:
            path = (*pod.path, "securityContext", "sysctls", index, "name")
            yield Violation("sysctls", path, "must be one of the safe sysctls")
    for key, value in pod.annotations.items():
        fine = value in ("", None, "runtime/default") or str(value).startswith("localhost/")
        if key.startswith(_APPARMOR) and not fine:
            path = (*pod.path[:-1], "metadata", "annotations", key)
            yield Violation("apparmor", path, "must be runtime/default or localhost/PROFILE")


def _volumes(pod: Pod) -> Iterator[Violation]:
    for index, volume in enumerate(listed(pod.spec.get("volumes"))):
        kinds = [kind for kind, value in mapping(volume).items() if kind != "name" and value is not None]
        for kind in kinds:
            path = (*pod.path, "volumes", index, kind)
            if kind == "hostPath":
                yield Violation("host-path", path, "must not be a folder of the node")
            elif kind not in _VOLUMES:
                yield Violation("volume-types", path, f"must be one of {', '.join(_VOLUMES)}")


def _context(context: dict[str, Any], path: Path) -> Iterator[Violation]:
    """Check what pod and container have in common."""
    options = mapping(context.get("seLinuxOptions"))
    if options.get("type") not in (None, "", *_SELINUX):
        yield Violation("selinux", (*path, "seLinuxOptions", "type"), f"must be one of {', '.join(_SELINUX)}")
    for field in ("user", "role"):
        if options.get(field) not in _UNSET:
            yield Violation("selinux", (*path, "seLinuxOptions", field), "must not be set")
    for field, rule in (("seccompProfile", "seccomp"), ("appArmorProfile", "apparmor")):
        profile = context.get(field)
        if profile is not None and mapping(profile).get("type") not in _PROFILES:
            yield Violation(rule, (*path, field, "type"), "must be RuntimeDefault or Localhost")
    if mapping(context.get("windowsOptions")).get("hostProcess") not in _UNSET:
        yield Violation("host-process", (*path, "windowsOptions", "hostProcess"), "must not be set")
    if context.get("runAsNonRoot") not in (None, True):
        yield Violation("run-as-non-root", (*path, "runAsNonRoot"), "must be true")
    user = context.get("runAsUser")
    if user is not None and (not isinstance(user, int) or user == 0):
        yield Violation("run-as-user", (*path, "runAsUser"), "must be a number other than 0")


def _container(container: dict[str, Any], path: Path) -> Iterator[Violation]:
    own = mapping(container.get("securityContext"))
    if own.get("privileged") not in _UNSET:
        yield Violation("privileged", (*path, "securityContext", "privileged"), "must not be set")
    if own.get("procMount") not in (None, "", "Default"):
        yield Violation("proc-mount", (*path, "securityContext", "procMount"), "must be Default")
    for index, port in enumerate(listed(container.get("ports"))):
        if mapping(port).get("hostPort") not in _UNSET:
            yield Violation("host-ports", (*path, "ports", index, "hostPort"), "must not be set")
    asked = [(name, container.get(name)) for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    lifecycle = mapping(container.get("lifecycle"))
    for where, handler in [
        *(((name,), probe) for name, probe in asked),
        *((("lifecycle", name), lifecycle.get(name)) for name in ("postStart", "preStop")),
    ]:
        for way in ("httpGet", "tcpSocket"):
            if mapping(mapping(handler).get(way)).get("host") not in _UNSET:
                yield Violation("host-probes", (*path, *where, way, "host"), "must not be set")


def _identity(own: dict[str, Any], above: dict[str, Any], path: Path) -> Iterator[Violation]:
    if own.get("runAsNonRoot") is None and above.get("runAsNonRoot") is None:
        yield Violation("run-as-non-root", (*path, "runAsNonRoot"), "must be true, here or for the pod")


def _restricted(own: dict[str, Any], above: dict[str, Any], path: Path) -> Iterator[Violation]:
    if own.get("allowPrivilegeEscalation") is not False:
        yield Violation("privilege-escalation", (*path, "allowPrivilegeEscalation"), "must be false")
    capabilities = mapping(own.get("capabilities"))
    if "ALL" not in listed(capabilities.get("drop")):
        yield Violation("capabilities", (*path, "capabilities", "drop"), "must be [ALL]")
    for index, name in enumerate(listed(capabilities.get("add"))):
        if name != "NET_BIND_SERVICE":
            yield Violation("capabilities", (*path, "capabilities", "add", index), "must be NET_BIND_SERVICE")
    if own.get("seccompProfile") is None and above.get("seccompProfile") is None:
        yield Violation(
            "seccomp",
            (*path, "seccompProfile", "type"),
            "must be RuntimeDefault or Localhost, here or for the pod",
        )


def remedy(rules: Iterable[str], relaxed: Iterable[str], allowed: Iterable[str]) -> str:
    """Say who must do what about violations: the project by `relax`, the operator by `mayRelax`."""
    found = sorted(set(rules))
    ask = [rule for rule in found if rule not in set(relaxed)]
    allow = [rule for rule in found if rule not in set(allowed)]
    project = f"`relax: [{', '.join(ask)}]` in gitops.yaml"
    operator = f"`policy: {{mayRelax: [{', '.join(allow)}]}}` in remote.yaml"
    if ask and allow:
        return f"change it; or else the project writes {project} and the operator allows it by {operator}"
    if ask:
        return f"change it; or else write {project}, which the operator allows"
    return f"change it; or else the operator allows what gitops.yaml relaxes, by {operator}"
