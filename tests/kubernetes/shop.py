"""A checkout and its remote whose environment is a namespace of the control plane."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - pytest reads the annotation
from typing import TYPE_CHECKING, Any

from gitops_cli import releases
from gitops_cli.pipeline.protocol import SILENT
from gitops_cli.targets.kubernetes.state import State
from tests.cluster.api import Answer
from tests.cluster.parts import wait
from tests.kubernetes import least
from tests.support.site import Site, make_site

if TYPE_CHECKING:
    from gitops_cli.targets.kubernetes.inventory import SetSpec
    from tests.cluster.given import Cluster

GITOPS = "version: 1\nname: shop\nmanifests: deploy\n"
REMOTE = """\
version: 1
environments:
  production:
    branch: main
    target:
      kubernetes:
        kubeconfig: "file:{kubeconfig}"
        namespace: {namespace}
    database: none
    timeouts: {{rollout: 60, unschedulable: {unschedulable}}}
    policy: {policy}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, annotations: {{note: "{note}"}}}}
spec:
  replicas: {replicas}
  strategy: {{type: {strategy}}}
  selector: {{matchLabels: {{app: {label}}}}}
  template:
    metadata: {{labels: {{app: {label}}}}}
    spec:
      securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: web
          image: registry.example.org/web@sha256:{digest}
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"""
GADGETS = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: gadgets.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: gadgets, singular: gadget, kind: Gadget}}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {{type: object, properties: {{size: {{type: integer}}}}}}
"""
OURS = "gitops-cli/app=shop"


def config_map(name: str, **data: str) -> str:
    """Write a ConfigMap."""
    values = "".join(f"  {key}: {value!r}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n{values}"


def service(name: str, port: int = 80, **spec: str) -> str:
    """Write a Service."""
    more = "".join(f"  {key}: {value}\n" for key, value in spec.items())
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n"
        f"spec:\n  selector: {{app: {name}}}\n  ports: [{{port: {port}}}]\n{more}"
    )


def deployment(
    name: str, *, replicas: int = 0, label: str = "", strategy: str = "RollingUpdate", note: str = ""
) -> str:
    """Write a Deployment; its pods find no node on a control plane."""
    return DEPLOYMENT.format(
        name=name, replicas=replicas, label=label or name, strategy=strategy, digest="0" * 64, note=note
    )


@dataclass(frozen=True)
class Shop:
    """An app in its namespace."""

    site: Site
    cluster: Cluster
    namespace: str

    def remote(
        self,
        policy: str = "{}",
        kubeconfig: Path | None = None,
        *,
        namespace: str = "",
        unschedulable: int = 1,
    ) -> None:
        """Write remote.yaml; the credential has the rights that are printed for it, unless another is given."""
        text = REMOTE.format(
            kubeconfig=kubeconfig or self.credential.name,
            namespace=namespace or self.namespace,
            policy=policy,
            unschedulable=unschedulable,
        )
        self.site.home.config.write_text(text)
        if kubeconfig is None:
            least.grant(self.cluster.kubeconfig, self.site.home, namespace or self.namespace)

    @property
    def credential(self) -> Path:
        """Give the kubeconfig of the account that may do what `gitops remote rbac` prints, and no more."""
        return self.site.home.path / least.KUBECONFIG

    def database(self, url: str) -> None:
        """Give the environment a database."""
        home = self.site.home
        (home.path / "db-url").write_text(url)
        text = home.config.read_text().replace("database: none", 'database: {url: "file:db-url"}')
        home.config.write_text(text)

    def path(self, plural: str, name: str = "", api: str = "/api/v1") -> str:
        """Give the path of a kind's objects, or of one."""
        return f"{api}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def get(self, plural: str, name: str, api: str = "/api/v1") -> dict[str, Any]:
        """Read one object."""
        found: dict[str, Any] = self.cluster.api.get(self.path(plural, name, api))
        return found

    def names(self, plural: str = "configmaps", api: str = "/api/v1") -> list[str]:
        """Name the objects of ours."""
        found = self.cluster.api.get(f"{self.path(plural, '', api)}?labelSelector={OURS}")
        return sorted(item["metadata"]["name"] for item in found["items"])

    def everything(self) -> dict[str, Any]:
        """Picture what is ours: every object, but for what changes by itself when it is written again."""
        found = {}
        for plural, api in KINDS:
            answer = self.cluster.api.get(f"{self.path(plural, '', api)}?labelSelector={OURS}")
            for item in answer["items"]:
                found[f"{plural}/{item['metadata']['name']}"] = plain(item)
        return found

    def edit(self, plural: str, name: str, change: dict[str, Any], manager: str = "kubectl-edit") -> None:
        """Change an object as a person does."""
        path = f"{self.path(plural, name)}?fieldManager={manager}"
        self.cluster.api.ask("PATCH", path, change, "application/merge-patch+json")

    def may(self, verbs: list[str]) -> None:
        """Let the test's own account do this with ConfigMaps; returns when the server obeys."""
        api, found = self.cluster.api, self.path("roles", api="/apis/rbac.authorization.k8s.io/v1")
        (role,) = [one for one in api.get(found)["items"] if one["metadata"]["name"].startswith("user-")]
        rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}
        name = role["metadata"]["name"]
        api.ask("PATCH", f"{found}/{name}", {"rules": [rule]}, "application/merge-patch+json")
        user = f"system:serviceaccount:{self.namespace}:{name}"

        def obeyed() -> bool:
            return all(self._may(user, verb) is (verb in verbs) for verb in ("patch", "delete"))

        wait("the role", obeyed)

    def _may(self, user: str, verb: str) -> bool:
        asked = {"namespace": self.namespace, "verb": verb, "resource": "configmaps"}
        review = self.cluster.api.post(
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            {"spec": {"user": user, "resourceAttributes": asked}},
        )
        return bool(review["status"].get("allowed"))

    def wait_until_refused(self, plural: str, body: dict[str, Any]) -> None:
        """Wait until the server refuses such an object: it learns of a new policy in its own time."""

        def refused() -> bool:
            try:
                self.cluster.api.post(f"{self.path(plural)}?dryRun=All", body)
            except Answer:
                return True
            return False

        wait("the policy", refused)

    def elsewhere(self, policy: str) -> str:
        """Bind the environment to a namespace that is not there yet; give its name."""
        name = f"{self.namespace}-new"
        self.remote(policy, namespace=name)
        return name

    def state_files(self) -> set[str]:
        """Name the files of what the target remembers."""
        return {str(path.relative_to(self.state())) for path in self.state().rglob("*") if path.is_file()}

    def state(self) -> Path:
        """Give the folder of what the target remembers."""
        return self.site.home.kubernetes("production")

    @property
    def group(self) -> str:
        """Give an API group of one's own: definitions are of the whole cluster."""
        return f"{self.namespace}.example.org"

    def gadget(self, size: int) -> dict[str, str]:
        """Write a definition and an object of it."""
        definition = GADGETS.format(group=self.group)
        made = f"apiVersion: {self.group}/v1\nkind: Gadget\nmetadata: {{name: one}}\nspec: {{size: {size}}}\n"
        return {"deploy/definition.yaml": definition, "deploy/gadget.yaml": made}

    def volume(self) -> dict[str, Any]:
        """Describe a volume: there is no provisioner here."""
        return {
            "metadata": {"name": self.namespace},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/nowhere"},
            },
        }

    def live_set(self) -> SetSpec:
        """Give the set that serves."""
        serving = State(self.state()).inventory().serving
        assert serving is not None
        return serving

    def is_settled(self) -> bool:
        """Say whether nothing is open: no journal, one set, its objects and no others on disk."""
        found = State(self.state()).inventory()
        kept = [path.name for path in (self.state() / "sets").iterdir()]
        open_ = list(self.site.home.journal("production").glob("*.journal"))
        alone = (found.candidate, found.parked, found.leftover) == (None, None, ())
        torn = list(self.state().rglob("*.tmp"))
        return alone and not open_ and not torn and kept == [f"{self.live_set().key}.json.gz"]

    def live_commit(self) -> str:
        """Say what the target says is live."""
        return next(iter(releases.status(self.site.home))).live.commit

    def recover(self) -> list[str]:
        """Settle what a crash left."""
        return releases.recover(self.site.home, SILENT)


KINDS = (
    ("configmaps", "/api/v1"),
    ("services", "/api/v1"),
    ("serviceaccounts", "/api/v1"),
    ("deployments", "/apis/apps/v1"),
)


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """Leave out of an object what differs after it was put back, and its status."""
    metadata = {
        name: value
        for name, value in item["metadata"].items()
        if name not in ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")
    }
    metadata["owned"] = sorted(
        (entry["manager"], entry["operation"], repr(entry.get("fieldsV1")))
        for entry in item["metadata"].get("managedFields", ())
        if entry["operation"] == "Apply"
    )
    return {"metadata": metadata, **{k: v for k, v in item.items() if k not in ("metadata", "status")}}


def make_shop(folder: Path, cluster: Cluster, namespace: str) -> Shop:
    """Make a checkout without manifests and a remote bound to the namespace; nothing is pushed yet."""
    site = make_site(folder, migrations=False)
    site.git("rm", "-rq", "deploy")
    site.write({"gitops.yaml": GITOPS})
    shop = Shop(site, cluster, namespace)
    shop.remote()
    return shop
