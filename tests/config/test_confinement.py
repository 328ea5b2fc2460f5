from __future__ import annotations

from typing import Any

import pytest

from gitops_cli.config.confinement import check
from gitops_cli.config.load import load_manifests, parse_project
from gitops_cli.config.remote import Policy
from gitops_cli.errors import PolicyRefused
from tests.config.trees import PROJECT, FakeTree, restricted, workload

CARRIERS = [
    *("CronJob", "DaemonSet", "Deployment", "Job", "Pod", "PodTemplate", "ReplicaSet", "StatefulSet"),
]
PATHS = {"CronJob": "spec.jobTemplate.spec.template.spec", "Pod": "spec", "PodTemplate": "template.spec"}
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports: [{port: 80}]\n"


def allowed(text: str, *, project: str = PROJECT, **policy: Any) -> None:
    parsed = parse_project(project.encode())
    tree = FakeTree({"gitops.yaml": project, "deploy/all.yaml": text})
    check(load_manifests(tree, parsed), parsed, Policy(**policy), "shop")


def refused(text: str, *, project: str = PROJECT, **policy: Any) -> PolicyRefused:
    with pytest.raises(PolicyRefused) as caught:
        allowed(text, project=project, **policy)
    assert caught.value.file == "deploy/all.yaml"
    assert caught.value.changed == "nothing was changed"
    return caught.value


def pod(fields: str) -> str:
    """Give a restricted pod with more fields of its own."""
    return restricted().replace("{securityContext: {runAs", f"{{{fields}, securityContext: {{runAs", 1)


def container(group: str, fields: str) -> str:
    """Give a restricted pod with one more container."""
    own = "securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}"
    return pod(f"{group}: [{{name: b, image: web, {own}, {fields}}}]")


@pytest.mark.parametrize("kind", CARRIERS)
def test_a_restricted_pod_is_allowed(kind: str) -> None:
    allowed(workload(kind, restricted()))


def test_the_usual_kinds_are_allowed() -> None:
    kinds = {
        "v1": ("ConfigMap", "PersistentVolumeClaim"),
        "autoscaling/v2": ("HorizontalPodAutoscaler",),
        "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
        "policy/v1": ("PodDisruptionBudget",),
    }
    text = "---\n".join(
        f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a, namespace: shop, creationTimestamp: null}}\n"
        for version, names in kinds.items()
        for kind in names
    )
    allowed(text + "---\n" + SERVICE)


@pytest.mark.row(29)
@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("v1", "Namespace"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        ("v1", "Node"),
        ("v1", "List"),
        ("v1", "ServiceList"),
        ("v1", "Secret"),
        ("v1", "ServiceAccount"),
        ("v1", "Endpoints"),
        ("discovery.k8s.io/v1", "EndpointSlice"),
        ("v1", "ResourceQuota"),
        ("example.org/v1", "ConfigMap"),
        ("example.org/v1", "Widget"),
    ],
)
def test_kind_that_no_project_may_bring(version: str, kind: str) -> None:
    error = refused(f"{CONFIG}---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: admin}}\n")
    assert error.line == 7
    assert error.cause.startswith(f"{kind} admin: ")
    assert error.code in {"policy.kind", "policy.cluster-scoped"}
    assert "the operator" in error.next_command


def test_the_operator_allows_further_kinds_by_name_and_version() -> None:
    text = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: a}\n"
    allowed(text, kinds=("example.org/v1/Widget",))
    assert (
        "adds example.org/v1/Widget to `policy.kinds`"
        in refused(text, kinds=("example.org/v2/Widget",)).next_command
    )


def test_the_operator_allows_namespaces_but_never_the_clusters_own() -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"
    assert "`policy: {clusterScoped: [Namespace]}`" in refused(text).next_command
    allowed(text, cluster_scoped=("Namespace",))
    for name in ("kube-system", "kube-public", "default"):
        error = refused(text.replace("shop", name), cluster_scoped=("Namespace",))
        assert (error.line, error.code) == (4, "policy.cluster-scoped")


DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions: [{name: v1, served: true, storage: true}]
---
apiVersion: example.org/v1
kind: Widget
metadata: {name: a}
"""


def test_the_kind_of_a_definition_that_comes_along_is_allowed_with_it() -> None:
    allowed(DEFINITION, cluster_scoped=("CustomResourceDefinition",))
    error = refused(DEFINITION)
    assert (error.line, len(error.also)) == (2, 1)
    whole = DEFINITION.replace("Namespaced", "Cluster")
    assert refused(whole, cluster_scoped=("CustomResourceDefinition",)).line == 11


@pytest.mark.row(30)
def test_another_namespace() -> None:
    error = refused(f"{CONFIG}  namespace: kube-system\n")
    assert (error.line, error.code) == (5, "policy.namespace")
    assert "is not shop" in error.cause
    allowed(f"{CONFIG}  namespace: shop\n")


@pytest.mark.row(31)
@pytest.mark.parametrize("group", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize("kind", CARRIERS)
@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("securityContext.privileged", "privileged"),
        ("securityContext.capabilities.add[0]", "capabilities"),
        ("ports[0].hostPort", "host-ports"),
    ],
)
def test_forbidden_field_of_a_container_is_named_with_its_path(
    kind: str, group: str, field: str, rule: str
) -> None:
    own = (
        "securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, seccompProfile: "
        "{type: RuntimeDefault}, capabilities: {drop: [ALL]%s}%s}"
    )
    add = ", add: [SYS_ADMIN]" if rule == "capabilities" else ""
    security = own % (add, ", privileged: true" if rule == "privileged" else "")
    ports = ", ports: [{containerPort: 1, hostPort: 1}]" if rule == "host-ports" else ""
    spec = f"{{{group}: [{{name: a, image: web, {security}{ports}}}]}}"
    if group != "containers":
        spec = restricted().replace("{securityContext: {runAs", spec[:-1] + ", securityContext: {runAs", 1)
    error = refused(workload(kind, spec))
    path = f"{PATHS.get(kind, 'spec.template.spec')}.{group}[0].{field}"
    assert error.cause.startswith(f"{kind} web: `{path}` must ")
    assert error.cause.endswith(f"(rule {rule})")
    assert (error.code, error.line, error.also) == ("policy.pod-security", 4, ())


@pytest.mark.row(31)
@pytest.mark.parametrize("kind", CARRIERS)
@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ("hostNetwork: true", "hostNetwork"),
        ("hostPID: true", "hostPID"),
        ("volumes: [{name: a, hostPath: {path: /}}]", "volumes[0].hostPath"),
        ("volumes: [{name: a, nfs: {path: /, server: b}}]", "volumes[0].nfs"),
    ],
)
def test_forbidden_field_of_a_pod_is_named_with_its_path(kind: str, fields: str, where: str) -> None:
    error = refused(workload(kind, pod(fields)))
    assert f"`{PATHS.get(kind, 'spec.template.spec')}.{where}`" in error.cause


def test_the_line_is_that_of_the_field() -> None:
    spec = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: a\n      image: web\n"
    spec += "      securityContext:\n        privileged: true\n        allowPrivilegeEscalation: false\n"
    error = refused(CONFIG + "---\n" + spec)
    assert error.line == 15
    assert "privileged" in error.cause
    said = "\n".join(error.also)
    assert (
        "deploy/all.yaml:14: Pod a: `spec.containers[0].securityContext.capabilities.drop` must be [ALL]"
        in said
    )
    assert "(rule run-as-non-root)" in said
    assert "(rule seccomp)" in said


def test_pods_in_somebody_elses_kind_are_checked_too() -> None:
    text = "apiVersion: example.org/v1\nkind: Job\nmetadata: {name: a}\nspec: {tasks: [{template: {podSpec: %s}}]}\n"
    kinds = ("example.org/v1/Job",)
    allowed(text % restricted(), kinds=kinds)
    error = refused(text % pod("hostIPC: true"), kinds=kinds)
    assert "`spec.tasks[0].template.podSpec.hostIPC` must not be set" in error.cause


def test_relaxing_takes_project_and_operator() -> None:
    text = workload("Deployment", pod("hostNetwork: true"))
    relaxes = PROJECT + "relax: [host-namespaces]\n"
    rule: tuple[str, ...] = ("host-namespaces",)
    allowed(text, project=relaxes, may_relax=rule)
    assert "the project writes `relax: [host-namespaces]`" in refused(text).next_command
    assert "which the operator allows" in refused(text, may_relax=rule).next_command
    said = refused(text, project=relaxes).next_command
    assert said == (
        "change it; or else the operator allows what gitops.yaml relaxes, by "
        "`policy: {mayRelax: [host-namespaces]}` in remote.yaml"
    )
    # one rule is no other
    assert (
        refused(text, project=PROJECT + "relax: [host-path]\n", may_relax=("host-path",)).code
        == "policy.pod-security"
    )


@pytest.mark.row(32)
@pytest.mark.parametrize("kind", CARRIERS)
@pytest.mark.parametrize(
    ("fields", "where", "code"),
    [
        ("serviceAccountName: admin", "serviceAccountName", "policy.service-account"),
        ("serviceAccount: admin", "serviceAccount", "policy.service-account"),
        ("automountServiceAccountToken: true", "automountServiceAccountToken", "policy.token"),
        (
            "volumes: [{name: t, projected: {sources: [{secret: {name: a}}, {serviceAccountToken: {path: t}}]}}]",
            "volumes[0].projected.sources[1].serviceAccountToken",
            "policy.token",
        ),
        ("nodeName: master-1", "nodeName", "policy.node"),
        ("tolerations: [{operator: Exists}]", "tolerations[0]", "policy.node"),
        (
            "tolerations: [{key: a}, {key: node-role.kubernetes.io/control-plane, operator: Exists}]",
            "tolerations[1]",
            "policy.node",
        ),
        ("priorityClassName: system-node-critical", "priorityClassName", "policy.priority"),
    ],
)
def test_whose_rights_and_whose_node(kind: str, fields: str, where: str, code: str) -> None:
    error = refused(workload(kind, pod(fields)))
    assert f"`{PATHS.get(kind, 'spec.template.spec')}.{where}`" in error.cause
    assert (error.code, error.line) == (code, 4)


def test_a_listed_service_account_has_its_token() -> None:
    fields = (
        "serviceAccountName: reader, automountServiceAccountToken: true, "
        "volumes: [{name: t, projected: {sources: [{serviceAccountToken: {path: t}}]}}]"
    )
    allowed(workload("Deployment", pod(fields)), service_accounts=("reader",))
    assert refused(workload("Deployment", pod(fields)), service_accounts=("other",)).also
    allowed(workload("Deployment", pod("serviceAccountName: default, automountServiceAccountToken: false")))


ENDS = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec:\n  ttlSecondsAfterFinished: 100\n"
CLAIMS = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: a}
spec:
  volumeClaimTemplates:
    - metadata:
        name: b
        finalizers: [a/b]
"""


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        (
            CONFIG + "  ownerReferences: [{kind: Node, name: a, uid: b, apiVersion: v1}]\n",
            5,
            "policy.metadata",
        ),
        (CONFIG + "  finalizers: [a/b]\n", 5, "policy.metadata"),
        (CONFIG + "  resourceVersion: '5'\n", 5, "policy.metadata"),
        (CONFIG + "  managedFields: [{manager: gitops}]\n", 5, "policy.metadata"),
        (CONFIG + "  labels:\n    gitops-cli/app: other\n", 6, "policy.metadata"),
        (CONFIG + "  annotations: {gitops-cli/hash: a}\n", 5, "policy.metadata"),
        (CONFIG.replace("ConfigMap", "PersistentVolumeClaim") + "  labels: [a]\n", 5, "policy.metadata"),
        (SERVICE + "  externalIPs: [10.0.0.1]\n", 6, "policy.service"),
        (SERVICE + "  type: ExternalName\n", 6, "policy.service"),
        (ENDS, 5, "policy.job-ends"),
        (SERVICE + "  externalName: kubernetes.default.svc\n", 6, "policy.service"),
        (
            CLAIMS,
            8,
            "policy.metadata",
        ),
    ],
)
def test_what_no_project_may_say(text: str, line: int, code: str) -> None:
    error = refused(text)
    assert (error.line, error.code) == (line, code)


def test_all_problems_are_named_up_to_twenty() -> None:
    error = refused(
        "---\n".join(CONFIG.replace("name: a", f"name: a{n}") + "  finalizers: [x]\n" for n in range(25))
    )
    assert error.cause == "ConfigMap a0: `metadata.finalizers` is no project's to set"
    assert error.also[0] == "deploy/all.yaml:11: ConfigMap a1: `metadata.finalizers` is no project's to set"
    assert (len(error.also), error.also[-1]) == (20, "5 more")
