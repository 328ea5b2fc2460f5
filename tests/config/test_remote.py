from __future__ import annotations

import pytest

from gitops_cli.config.remote import DatabaseAt, load_remote
from gitops_cli.errors import BadInput

BASE = "version: 1\nenvironments:\n  production:\n    branch: main\n"


CLUSTER = "    target:\n      kubernetes: {kubeconfig: 'file:kubeconfig', namespace: shop}\n"


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        load_remote(text.encode(), "remote.yaml")
    assert caught.value.file == "remote.yaml"
    return caught.value


def test_defaults() -> None:
    remote = load_remote(BASE.encode(), "remote.yaml")
    production = remote.environments["production"]
    assert (production.name, production.ref) == ("production", "refs/heads/main")
    assert (production.target_name, production.kubernetes) == ("local", None)
    assert (production.target, production.database, production.release) == ("local", "embedded", "pushing")
    assert production.policy.accept_loss
    assert not production.policy.allow_irreversible
    limits = production.timeouts
    assert (limits.rollout, limits.migration, limits.rehearsal, limits.lock, limits.job) == (
        120,
        300,
        300,
        10,
        300,
    )
    assert remote.sandbox == "auto"


def test_everything() -> None:
    text = (
        "version: 1\nsandbox: none\nsandboxReason: no namespaces here\nenvironments:\n"
        "  preview/x-1: {branch: feat/x, database: none, release: following}\n"
        "  staging:\n    branch: next\n    database: {url: 'env:STAGING_URL'}\n"
        "    policy: {acceptLoss: false, allowIrreversible: true}\n    timeouts: {lock: 0.5}\n"
    )
    remote = load_remote(text.encode(), "remote.yaml")
    assert (remote.sandbox, remote.sandbox_reason) == ("none", "no namespaces here")
    preview = remote.bound("refs/heads/feat/x")
    assert preview is not None
    assert (preview.name, preview.database, preview.release) == ("preview/x-1", "none", "following")
    assert remote.environments["staging"].database == DatabaseAt("env:STAGING_URL")
    assert remote.environments["staging"].timeouts.lock == 0.5
    for ref in ("refs/heads/main", "feat/x", "refs/tags/next", "refs/heads/feat/x/y"):
        assert remote.bound(ref) is None


def test_a_cluster() -> None:
    text = (
        BASE
        + "    database: none\n    target:\n      kubernetes:\n        kubeconfig: file:secrets/kubeconfig\n"
        "        context: test\n        namespace: shop\n        fieldManager: ci\n"
        f"        images: {{web: 'registry.example:5000/web@sha256:{'0' * 64}'}}\n"
        "    policy:\n      kinds: [cert-manager.io/v1/Certificate, v1/ServiceAccount]\n"
        "      clusterScoped: [Namespace]\n      mayRelax: [run-as-non-root]\n      serviceAccounts: [reader]\n"
        "      registries: ['registry.example:5000']\n      force: [Deployment/spec.replicas]\n"
        "      prune: {count: 5, share: 0.1}\n    timeouts: {unschedulable: 5}\n"
    )
    production = load_remote(text.encode(), "remote.yaml").environments["production"]
    at = production.kubernetes
    assert at is not None
    assert (production.target_name, at.namespace, at.context, at.field_manager) == (
        "kubernetes",
        "shop",
        "test",
        "ci",
    )
    assert (at.kubeconfig, at.in_cluster, list(at.images)) == ("file:secrets/kubeconfig", False, ["web"])
    policy = production.policy
    assert policy.kinds == ("cert-manager.io/v1/Certificate", "v1/ServiceAccount")
    assert (policy.cluster_scoped, policy.may_relax) == (("Namespace",), ("run-as-non-root",))
    assert (policy.service_accounts, policy.registries) == (("reader",), ("registry.example:5000",))
    assert policy.force == ("Deployment/spec.replicas",)
    assert (policy.prune.count, policy.prune.share, production.timeouts.unschedulable) == (5, 0.1, 5)
    inside = BASE + "    target: {kubernetes: {inCluster: true, namespace: shop}}\n    database: none\n"
    found = load_remote(inside.encode(), "remote.yaml").environments["production"].kubernetes
    assert found is not None
    assert (found.in_cluster, found.field_manager) == (True, "gitops")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (BASE + "    traget: local\n", 5, "did you mean `target`?"),
        (
            BASE + "    target: moon\n",
            5,
            "`environments.production.target` must be one of `local` or a mapping",
        ),
        (
            BASE + "    target: {kubernets: {}}\n",
            5,
            "`environments.production.target.kubernets` is not known here",
        ),
        (BASE + CLUSTER + "    database: embedded\n", 7, "pods of a cluster cannot reach"),
        (
            BASE + CLUSTER,
            3,
            "`database: embedded` runs on the remote's machine",
        ),
        (
            BASE + CLUSTER + "    database: none\n    policy: {mayRelax: [root]}\n",
            8,
            "must be one of `apparmor`",
        ),
        (
            BASE + CLUSTER + "    database: none\n    policy: {kinds: [Widget]}\n",
            8,
            "must be GROUP/VERSION/KIND",
        ),
        (
            BASE + CLUSTER + "    database: none\n    policy: {kinds: [v1/Node]}\n",
            8,
            "`v1/Node` is of the whole cluster",
        ),
        (
            BASE.replace("production", "a/-") + CLUSTER + "    database: none\n",
            3,
            "ends with a letter or digit",
        ),
        (BASE + CLUSTER + "    database: none\n    policy: {clusterScoped: [Node]}\n", 8, "must be one of"),
        (
            BASE + CLUSTER + "    database: none\n    policy: {force: [spec.replicas]}\n",
            8,
            "must be KIND/FIELD",
        ),
        (
            BASE + CLUSTER + "    database: none\n    policy: {prune: {share: 2}}\n",
            8,
            "must be a number <= 1",
        ),
        (
            BASE + CLUSTER.replace("file:kubeconfig", "kubeconfig"),
            6,
            "must be file:PATH (beside remote.yaml)",
        ),
        (BASE + CLUSTER.replace("file:kubeconfig", "file:../x"), 6, "must stay below the folder"),
        (BASE + CLUSTER.replace("kubeconfig:", "context:"), 6, "one of them"),
        (BASE + CLUSTER.replace("namespace: shop", "inCluster: true, namespace: shop"), 6, "one of them"),
        (
            BASE + CLUSTER.replace("kubeconfig:", "inCluster: true, context:") + "    database: none\n",
            6,
            "`context` belongs to a `kubeconfig`",
        ),
        (BASE + CLUSTER.replace("shop", "Shop"), 6, "must be a DNS label"),
        (BASE + CLUSTER.replace("shop", "shop, images: {web: 'web:v1'}"), 6, "must be an image by digest"),
        (BASE + "    policy: {acceptLoss: 1}\n", 5, "must be true or false"),
        (BASE + "    timeouts: {lock: 0}\n", 5, "must be a number > 0"),
        (BASE + "    timeouts: {lock: 90000}\n", 5, "must be a number <= 86400"),
        (BASE + "    database: {url: 'file:../../etc/passwd'}\n", 5, "must stay below the folder"),
        (BASE + "  Staging: {branch: x}\n", 5, "the name `Staging` in `environments` must be lower-case"),
        (BASE + "  a/b/c: {branch: x}\n", 5, "the name `a/b/c`"),
        (
            BASE + "  staging:\n    branch: main\n",
            6,
            "`production` and `staging` are bound to the same branch",
        ),
        (BASE + "  staging:\n    branch: refs/heads/x\n", 6, "no short branch name"),
        (BASE + "  staging:\n    branch: a..b\n", 6, "no short branch name"),
        (BASE + "  staging:\n    branch: a.lock\n", 6, "no short branch name"),
        (BASE + "  staging:\n    branch: '-x'\n", 6, "short branch name"),
        (BASE + "  staging: {}\n", 5, "`environments.staging.branch` is missing"),
        (BASE + "  production/x: {branch: x}\n", 5, "there cannot be both `production` and `production/x`"),
        ("environments: {}\n", 1, "`version` is missing"),
        ("version: 3\n", 1, "`version` must be one of `1`"),
        ("version: 1\nsandbox: maybe\n", 2, "`sandbox` must be one of"),
    ],
)
def test_error_has_its_line(text: str, line: int, said: str) -> None:
    error = refused(text)
    assert said in error.cause
    assert error.next_command == "mend it, then: gitops remote show"
    assert error.line == line
