from __future__ import annotations

import pytest

from gitops_cli.config.remote import DatabaseAt, load_remote
from gitops_cli.errors import BadInput

BASE = "version: 1\nenvironments:\n  production:\n    branch: main\n"


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        load_remote(text.encode(), "remote.yaml")
    assert caught.value.file == "remote.yaml"
    return caught.value


def test_defaults() -> None:
    remote = load_remote(BASE.encode(), "remote.yaml")
    production = remote.environments["production"]
    assert (production.name, production.ref) == ("production", "refs/heads/main")
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


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (BASE + "    traget: local\n", 5, "did you mean `target`?"),
        (BASE + "    target: moon\n", 5, "`environments.production.target` must be one of `local`"),
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
    assert error.line == line
