from __future__ import annotations

import time

import pytest

from gitops_cli.config.load import load_manifests, parse_project
from gitops_cli.config.remote import load_remote
from gitops_cli.config.secrets import names_secret, refuse_secrets
from gitops_cli.config.yaml import load_all
from gitops_cli.errors import BadInput
from tests.config.trees import DEPLOYMENT, PROJECT, FakeTree

VALUE = "hunter2"
PEM = "-----BEGIN RSA PRIVATE KEY-----"
HEAD = "apiVersion: v1\nmetadata: {name: a}\n"
CRON = (
    "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\n"
    "spec: {jobTemplate: {spec: {template: {spec: {initContainers: "
    "[{name: a, image: b, env: [\n{name: APP_SECRET, value: hunter2}]}]}}}}}\n"
)


def refused(text: str) -> BadInput:
    project = parse_project(PROJECT.encode())
    with pytest.raises(BadInput) as caught:
        load_manifests(FakeTree({"deploy/a.yaml": text}), project)
    assert VALUE not in caught.value.sentence()
    return caught.value


@pytest.mark.row(28)
@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (HEAD + "kind: Secret\ndata:\n  x: aHVudGVyMg==\n", "secret.object", 4),
        (HEAD + "kind: Secret\nstringData: {password: hunter2}\n", "secret.object", 4),
        (DEPLOYMENT.replace("GREETING", "DB_PASSWORD2").replace("hello", VALUE), "secret.literal", 19),
        (
            DEPLOYMENT.replace("GREETING", "AWS_SECRET_ACCESS_KEY").replace("hello", VALUE),
            "secret.literal",
            19,
        ),
        (CRON, "secret.literal", 5),
        (HEAD + "kind: ConfigMap\ndata:\n  A: b\n  API_KEY: hunter2\n", "secret.literal", 6),
        (HEAD + "kind: ConfigMap\ndata:\n  A: postgres://me:hunter2@host/db\n", "secret.url", 5),
        (HEAD + 'kind: ConfigMap\ndata:\n  A: "redis:\\/\\/:hunter2@host"\n', "secret.url", 5),
        (f"{HEAD}kind: ConfigMap\ndata:\n  A: |\n    x\n    {PEM}\n", "secret.pem", 7),
        (HEAD + "kind: ConfigMap\ndata:\n  A: AKIAIOSFODNN7EXAMPLE\n", "secret.aws", 5),
        (HEAD + "kind: ConfigMap\ndata: {}\n# https://me:hunter2@host\n", "secret.url", 5),
        (HEAD + "kind: ConfigMap\ndata: {A: ghp_%s}\n" % ("a1" * 18), "secret.token", 4),
    ],
)
def test_secret_is_refused_and_not_shown(text: str, code: str, line: int) -> None:
    error = refused(text)
    assert (error.code, error.file, error.line) == (code, "deploy/a.yaml", line)
    assert f"rule {code}" in error.cause


@pytest.mark.row(28)
def test_secret_in_the_other_files() -> None:
    with pytest.raises(BadInput) as caught:
        parse_project((PROJECT + 'jobs: {a: {service: web, command: [x, "pg://u:hunter2@h/d"]}}\n').encode())
    assert (caught.value.code, caught.value.line) == ("secret.url", 4)
    assert VALUE not in caught.value.sentence()
    for database in ("postgres://u:hunter2@h/d", "{url: 'postgres://u:hunter2@h/d'}", "{url: hunter2}"):
        with pytest.raises(BadInput) as caught:
            load_remote(
                f"version: 1\nenvironments: {{a: {{branch: b, database: {database}}}}}\n".encode(),
                "remote.yaml",
            )
        assert VALUE not in caught.value.sentence()


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD",
        "DB_PASSWORD2",
        "PGPASSWORD",
        "API_KEY",
        "apiKey",
        "STRIPE_SECRET",
        "SENTRY_DSN",
        "AuthToken",
        "SECRET_KEY_BASE",
        "aws-secret-access-key",
        "APIKEY",
        "DATABASE_PASSWD",
        "TLS.KEY",
    ],
)
def test_names_that_promise_a_secret(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "KEYBOARD",
        "MONKEY",
        "TOKENIZERS_PARALLELISM",
        "MAX_TOKENS",
        "DONKEY_KONG",
        "PASSWORD_FILE",
        "TOKEN_TTL",
        "SECRETARY",
        "KEYS_OF",
        "COMPASSWORDS",
        "",
        "123",
        "DSNX",
        "SECRET_NAME",
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert not names_secret(name)


@pytest.mark.parametrize("value", ["", "$(OTHER)", "${OTHER}", "vault:a/b", "env:NAME", "file:/run/x"])
def test_references_pass(value: str) -> None:
    text = DEPLOYMENT.replace("GREETING", "DB_PASSWORD").replace("hello", value)
    load_manifests(FakeTree({"deploy/a.yaml": text}), parse_project(PROJECT.encode()))


@pytest.mark.parametrize(
    "value",
    [
        "http://host:8080/a@b",
        "postgres://$(USER):$(PASS)@h/d",
        "mailto:a@b",
        "https://user@host",
        "a://b:{x}@c",
        "x:y@z",
    ],
)
def test_urls_without_a_password_pass(value: str) -> None:
    text = f"a: '{value}'\n".encode()
    refuse_secrets(text, load_all(text, "f"), "f")


def test_no_text_makes_it_slow() -> None:
    for piece in ("://", "a://b", "://a:", "-----BEGIN ", "AKIA", "ghp_", "A", "://a:b"):
        text = b"a: " + b'"' + piece.encode() * (250_000 // len(piece)) + b'"\n'
        start = time.process_time()
        refuse_secrets(text, load_all(text, "f"), "f")
        assert time.process_time() - start < 1
