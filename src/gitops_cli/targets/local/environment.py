"""The environment of a process, made from nothing: what image and manifest say, and PORT. Nothing of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from gitops_cli.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitops_cli.targets.local.inventory import ContainerSpec, Port, SetSpec, Variable

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")


class Secrets(Protocol):
    """Where values of secrets come from."""

    def value(self, name: str, key: str) -> str | None:
        """Give a value, or None when there is none."""

    def keys(self, name: str) -> Sequence[str]:
        """Name every key of a secret; none when there is no such secret."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` as Kubernetes does: an unknown name stays as it is, `$$` is one `$`."""

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return values.get(found[1], found[0])

    return _REFERENCE.sub(one, text)


def port_variables(ports: Sequence[Port], real: Mapping[int, int]) -> dict[str, str]:
    """PORT is the first one; each with a name is PORT_NAME too."""
    found = {f"PORT_{shout(p.name)}": str(real[p.number]) for p in ports if p.name}
    if ports:
        found["PORT"] = str(real[ports[0].number])
    return found


def shout(name: str) -> str:
    """Write a DNS label as Kubernetes writes it in a variable's name."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def service_variables(spec: SetSpec | None, ports: Mapping[str, int]) -> dict[str, str]:
    """Name each Service as Kubernetes does: `WEB_SERVICE_HOST`, `WEB_SERVICE_PORT`. `ports`: by route."""
    found: dict[str, str] = {}
    for route in spec.routes if spec is not None else ():
        if route.id in ports:
            name, port = shout(route.service), str(ports[route.id])
            found.setdefault(f"{name}_SERVICE_HOST", "127.0.0.1")
            found.setdefault(f"{name}_SERVICE_PORT", port)
            if route.name:
                found[f"{name}_SERVICE_PORT_{shout(route.name)}"] = port
    return found


def environment(  # noqa: PLR0913 - all but the first three by name
    spec: ContainerSpec,
    secrets: Secrets,
    real: Mapping[int, int],
    *,
    pod: str,
    services: Mapping[str, str],
    path: Sequence[str],
) -> dict[str, str]:
    """Make the environment of one process; the cage adds a HOME of its own.

    `real`: the manifest's ports to the real ones; `services`: the variables that name the other Services;
    `path`: folders that come before the system's. Raises `Failed` for a secret that is not in the store.
    """
    ours = port_variables(spec.ports, real)
    values = {"PATH": ":".join([*path, SYSTEM_PATH]), "LANG": "C.UTF-8"}
    values |= {**services, **ours}
    for variable in spec.env:
        values |= _given(variable, values, secrets, pod)
    if path and not values["PATH"].startswith(path[0]):  # an image's own PATH does not hide its dependencies
        values["PATH"] = ":".join([*path, values["PATH"]])
    return values | ours  # an `env: PORT` of the manifest names the port that only Kubernetes can give


def _given(variable: Variable, values: Mapping[str, str], secrets: Secrets, pod: str) -> dict[str, str]:
    if variable.pod_name:
        return {variable.name: pod}
    if not variable.secret:
        return {variable.name: expand(variable.value, values) if variable.expand else variable.value}
    if variable.key == "*":
        keys = secrets.keys(variable.secret)
        if not keys and not variable.optional:
            raise missing(variable.secret, "")
        return {variable.name + key: secrets.value(variable.secret, key) or "" for key in keys}
    value = secrets.value(variable.secret, variable.key)
    if value is None:
        if variable.optional:
            return {}
        raise missing(variable.secret, variable.key)
    return {variable.name: value}


def missing(name: str, key: str) -> Failed:
    """Say which secret is not in the store."""
    what = f"key {key} of the secret {name}" if key else f"secret {name}"
    return Failed(
        f"the {what} is not in the operator's store",
        code="local.secret-missing",
        next_command=f"on the remote, write it to secrets/{name}/{key or 'KEY'} beside remote.yaml",
    )
