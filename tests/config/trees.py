"""Trees for the tests of this package: files in memory, with any mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_cli.config.tree import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LINK, GITLINK = 0o120000, 0o160000

PROJECT = "name: shop\nservices:\n  web: {}\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web, tier: front}
    spec:
      containers:
        - name: web
          image: web
          ports: [{containerPort: 8080, name: http}]
          env:
            - name: GREETING
              value: "hello"
          readinessProbe:
            httpGet: {path: /, port: http}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
    - port: 80
      targetPort: http
"""


class FakeTree:
    """A commit's tree whose label is short: path to bytes or text, with modes where they are odd."""

    label = "abc1234"

    def __init__(self, files: Mapping[str, bytes | str], modes: Mapping[str, int] | None = None) -> None:
        self.files = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
        self.was_read: list[str] = []
        self.entries = {
            path: Entry(path, (modes or {}).get(path, 0o100644), "", len(data))
            for path, data in self.files.items()
        }

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        found = {path: self.files[path] for path in paths}
        self.was_read += found
        return found


def restricted(image: str = "web") -> str:
    """Give the spec of a pod that the restricted Pod Security Standard takes, as YAML in one line."""
    own = "{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"
    return (
        "{securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, "
        f"containers: [{{name: web, image: '{image}', securityContext: {own}}}]}}"
    )


def workload(kind: str, pod: str) -> str:
    """Give an object of a built-in kind that carries this pod."""
    template = f"template: {{metadata: {{labels: {{app: web}}}}, spec: {pod}}}"
    selector = "selector: {matchLabels: {app: web}}"
    version, spec = {
        "Pod": ("v1", f"spec: {pod}"),
        "PodTemplate": ("v1", template),
        "CronJob": ("batch/v1", f"spec: {{schedule: '* * * * *', jobTemplate: {{spec: {{{template}}}}}}}"),
        "Job": ("batch/v1", f"spec: {{{template}}}"),
    }.get(kind, ("apps/v1", f"spec: {{{selector}, {template}}}"))
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: web}}\n{spec}\n"
